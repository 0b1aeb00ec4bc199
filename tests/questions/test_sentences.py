from askfirst.questions import sentences
from askfirst.questions.sentences import Sentence

UPDATE = {
    "version": "1.4.0",
    "at_risk": 100,
    "updated": 60,
    "median_days": 3.21,
    "low_days": 2.0,
    "high_days": 4.0,
}


def test_a_sentence_knows_its_figures():
    sentence = Sentence.of("About [1,284 installations] used it, [612] regularly.")

    assert sentence.text == "About 1,284 installations used it, 612 regularly."
    assert [text for text, figure in sentence.pieces if figure] == ["1,284 installations", "612"]


def test_numbers_come_first_and_one_is_no_plural():
    many = sentences.active({"monthly": 1284, "regular": 612}, "stratus")
    one = sentences.active({"monthly": 1, "regular": 0}, "stratus")

    assert many.text == (
        "1,284 installations used stratus in the last 28 days, 612 of them regularly, "
        "that is on 4 different days or more."
    )
    assert one.text.startswith("1 installation used stratus")


def test_nobody_is_said_and_not_computed():
    assert "Nobody used stratus" in sentences.active({"monthly": 0, "regular": 0}, "stratus").text
    assert "There is no release to follow" in sentences.updates(None).text
    assert "No installation named" in sentences.applications({"installations": 0}).text
    empty = {"mean": None, "distribution": {}}
    answer = {"per_application": empty, "per_installation": empty}
    assert "No application named" in sentences.environments(answer).text
    assert "nobody would miss reload" in sentences.removal({"command": "reload"}, 0).text


def test_an_estimate_comes_with_its_interval():
    assert sentences.updates(UPDATE).text == (
        "Half updated to 1.4.0 within 3.2 days (95 % interval 2.0 to 4.0; 60 of 100 installations "
        "updated)."
    )
    assert "(at least 2.0;" in sentences.updates({**UPDATE, "high_days": None}).text
    waiting = sentences.updates({**UPDATE, "median_days": None}).text
    assert waiting == "Half have not updated to 1.4.0 yet; 60 of 100 installations updated."
    row = {
        "installations": 100,
        "mean": 1.5,
        "median": 1.0,
        "p90": 3.0,
        "side_by_side": 20,
        "distribution": {"1": 50, "2": 50},
    }
    assert "(95 % interval 1.4 to 1.6)" in sentences.applications(row).text


def test_who_would_feel_a_removal():
    said = sentences.removal({"command": "reload", "regular": 41}, 612).text

    assert said == "Removing reload would be felt by 41 regular installations, 6.7 %."
