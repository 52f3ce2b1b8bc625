"""Files that appear whole or not at all."""


import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastprune.errors import OutputError
from fastprune.files.atomic import check_writable, whole_file


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file", tmp_path / "file/below/it"):
        with pytest.raises(OutputError, match="got a file"):
            check_writable(place)
    assert check_writable(tmp_path / "new/folder") == tmp_path / "new/folder"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


@given(st.binary(max_size=200))
def test_whole_file_writes_all_or_nothing(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("whole")
    path = folder / "deep/x.bin"
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
        assert temporary.suffix == ".bin"
        assert not path.exists()
    assert path.read_bytes() == content

    def fail():
        with whole_file(path) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == content
    assert [item.name for item in path.parent.iterdir()] == ["x.bin"]


def test_whole_file_where_a_file_is_in_the_way(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="expected to write"), whole_file(tmp_path / "file/x"):
        pytest.fail("entered")
