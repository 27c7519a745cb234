"""Whether the state folder is made, guarded, and removed only when it is ours."""

from pathlib import Path

import pytest

from hyperctl.stack import state
from hypersdk.errors import HyperSDKError
from hypersdk.settings import Places


@pytest.fixture
def here(tmp_path: Path) -> Places:
    return Places(tmp_path / "state" / "hypersdk", tmp_path / "cache")


def test_preparing_twice_is_the_same_as_once(here: Places) -> None:
    state.prepare(here)
    state.prepare(here)

    assert here.run.stat().st_mode & 0o777 == 0o700
    assert here.state.stat().st_mode & 0o067 == 0


def test_full_disk_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(HyperSDKError, match="HYPERSDK_STATE to a folder on another disk"):
        state.check_space(tmp_path, needed=2**60)


def test_second_one_at_work_is_refused(here: Places) -> None:
    with state.locked(here), pytest.raises(HyperSDKError, match="is at work"), state.locked(here):
        pass
    with state.locked(here):
        pass


def test_purge_removes_all_of_it(here: Places) -> None:
    state.prepare(here)

    state.purge(here)

    assert not here.state.exists()
    assert here.state.parent.exists()


def test_purge_leaves_a_folder_of_somebody_else(here: Places) -> None:
    here.state.mkdir(parents=True)
    (here.state / "thesis.txt").write_text("")

    with pytest.raises(HyperSDKError, match="does not look like"):
        state.purge(here)
    assert (here.state / "thesis.txt").exists()


def test_purge_does_not_follow_a_link(here: Places, tmp_path: Path) -> None:
    state.prepare(here)
    link = tmp_path / "link"
    link.symlink_to(here.state)

    with pytest.raises(HyperSDKError, match="does not look like"):
        state.purge(Places(link, tmp_path))
    assert here.state.exists()


def test_home_is_never_removed(here: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    state.prepare(here)
    monkeypatch.setenv("HOME", str(here.state))

    with pytest.raises(HyperSDKError, match="no folder to be removed"):
        state.purge(here)
