"""Noisy and clean recordings whose names are not the same: what is sure is taken, and nothing else."""

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sezoo.data.pair_names import match_names

DNS = "book_00000_chp_0009_reader_06709_0_UVK4k9Iq5r0_snr{}_tl-21_fileid_{}"


def matched(noisy, clean):
    order = match_names(noisy, clean).clean
    return None if order is None else [clean[index] for index in order]


@pytest.mark.parametrize(
    ("noisy", "clean"),
    [
        (["a", "b"], ["a", "b"]),
        (["Größe 1", "a"], [unicodedata.normalize("NFD", "Größe 1"), "a"]),
        (["A01", "B01"], ["a01", "b01"]),
        ([f"noisy_{n}" for n in range(1, 13)], [f"clean-{n:02}" for n in range(1, 13)]),
        ([f"p232_{n:03}_noisy" for n in range(1, 13)], [f"p232_{n:03}_clean" for n in range(1, 13)]),
        ([f"noisy{n}" for n in range(12)], [f"clean{n}" for n in range(12)]),
        ([f"mix ({n})" for n in range(12)], [f"speech ({n})" for n in range(12)]),
        ([DNS.format(n % 7 - 3, n) for n in range(100, 160)], [f"clean_fileid_{n}" for n in range(100, 160)]),
        ([DNS.format(n % 21, n) for n in range(30)], [f"clean_fileid_{n}" for n in range(30)]),
        ([DNS.format(n % 21, n) for n in range(30)], [f"x_fileid_{n}_clean" for n in range(30)]),
        ([f"p232_{n:03}_babble_{n % 4 * 5}dB" for n in range(20)], [f"p232_{n:03}" for n in range(20)]),
        ([f"p{n:03}" for n in range(20)], [f"session2-p{n:03}-studio" for n in range(20)]),
        (["kitchen_anna", "street_bert"], ["anna", "bert"]),
        ([f"utt{n}" for n in range(9, 12)], [f"rec{n:04}" for n in range(9, 12)]),
        ([f"snr5_{n}" for n in range(4, 9)], [f"{n}" for n in range(4, 9)]),
        (["noisy"], ["clean"]),
        (["日本語_1", "日本語_2"], ["日本語-01", "日本語-02"]),
    ],
)
def test_sure_matches(noisy, clean):
    shuffled = clean.copy()
    random.Random(1).shuffle(shuffled)
    assert matched(noisy, shuffled) == clean


@pytest.mark.parametrize(
    ("noisy", "clean"),
    [
        (["kitchen", "street"], ["anna", "bert"]),
        ([f"noisy_{n}" for n in range(12)], [f"clean_{n}" for n in range(1, 13)]),
        (["a_1", "a_01"], ["b_1", "b_2"]),
        (["take3_snr1", "take7_snr2"], ["studio1", "studio2"]),
        (["utt1_take2", "utt2_take1"], ["take2_x_utt2", "take1_y_utt1"]),  # by utterance or by take?
        (["anna_bert", "bert_carl"], ["anna", "bert"]),
        (["a", "b"], ["a"]),
        (["a_x", "a_y"], ["a", "b"]),
        (["noisy1", "noisy2", "noisy3"], ["clean1", "clean2"]),
        (["#", "+"], ["-", "!"]),
        (["one"], ["another"]),
    ],
)
def test_what_is_not_sure_is_no_match(noisy, clean):
    found = match_names(noisy, clean)
    assert found.clean is None
    assert found.only_noisy or found.only_clean


def test_names_without_a_partner_are_those_by_what_most_have_one():
    found = match_names([f"noisy_{n}" for n in range(1, 13)], [f"clean_{n:02}" for n in range(1, 12)])
    assert found.only_noisy == ["noisy_12"]
    assert found.only_clean == []


def test_it_says_by_what():
    assert match_names(["a"], ["a"]).by == ""
    assert match_names(["x_1_fileid_2", "x_2_fileid_3"], ["fileid_2_a", "fileid_3_a"]).by == "the number after 'fileid'"


NAMES = st.text(st.sampled_from("ab_1 0-é"), min_size=1, max_size=6)


@given(st.lists(NAMES, min_size=1, max_size=5, unique=True), st.lists(NAMES, min_size=1, max_size=5, unique=True))
def test_a_match_is_one_to_one_and_the_same_from_the_other_side(noisy, clean):
    found, back = match_names(noisy, clean), match_names(clean, noisy)
    if found.clean is None:
        assert back.clean is None
        return
    assert sorted(found.clean) == list(range(len(noisy))) == list(range(len(clean)))
    assert [back.clean[index] for index in found.clean] == list(range(len(noisy)))


@given(st.permutations(range(12)))
def test_the_order_of_the_listings_changes_nothing(order):
    noisy, clean = [f"noisy_{n}" for n in order], [f"clean-{n:02}" for n in range(12)]
    assert matched(noisy, clean) == [f"clean-{n:02}" for n in order]
