import pytest

from askfirst.questions.captions import CAPTIONS, YES, caption


@pytest.mark.parametrize("name", CAPTIONS)
def test_every_caption_says_whom_it_counts(name):
    assert caption(name).endswith(YES)
    assert len(caption(name)) > len(YES) + 20
