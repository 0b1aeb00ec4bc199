from __future__ import annotations

from askfirst.contract.loading import parse
from askfirst.contract.notice import NEVER, agree_label, question
from tests.contract.test_loading import GOOD

CONTRACT = parse(GOOD)


def test_the_question_says_what_a_user_has_to_know() -> None:
    text = question(CONTRACT)
    assert text.startswith("the native web asks: may Stratus CLI share how you use it?")
    for field in CONTRACT.fields.values():
        assert field.name in text
        assert field.purpose in text
    for said in (
        "Saying No has no disadvantage",
        "stratus telemetry off",
        "stratus telemetry show",
    ):
        assert said in text
    assert NEVER in text
    assert CONTRACT.details in text
    assert "395 days" in text
    assert "pseudonymous" in text
    assert "anonymous" not in text.replace("pseudonymous", "")
    assert agree_label(CONTRACT) == "Yes, I agree to share usage data with the native web."


def test_many_commands_do_not_push_the_question_off_the_screen() -> None:
    names = ", ".join(f'"c{number}"' for number in range(40))
    many = parse(GOOD.replace('"start", "stop", "db migrate"', names))
    assert "c11 and 28 more" in question(many)
