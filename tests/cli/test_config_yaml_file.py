import pytest

from sezoo.base.errors import UserError
from sezoo.cli.yaml_file import read_checked

BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "user_config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "its aliases stand for 1e+09 entries; 100000 are the most"),
        ("[" * 5000, "nested too deeply"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(3000)), "nested too deeply"),
        ("a: &a [*a]\n", "nested too deeply, or an alias that contains itself"),
        ("general: {~: 6}\n", "general: a key is empty"),
        ("~: 6\n", "None: a key is empty"),
        ("model: !!python/object/apply:os.system ['touch pwned']\n", "line 1, column 8: invalid YAML: could not"),
        ("hydra: x\n", "hydra: a mapping is needed"),
    ],
)
def test_hostile_files_are_told_in_one_line(written, text, message, tmp_path):
    path = written(text)
    with pytest.raises(UserError) as raised:
        read_checked(path)
    told = str(raised.value)
    assert told.startswith(str(path))
    assert message in told
    assert "\n" not in told
    assert [entry.name for entry in tmp_path.iterdir()] == ["user_config.yaml"]


def test_aliases_and_merge_keys_are_fine(written):
    raw = read_checked(written("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n"))
    assert raw == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2}}
