"""A folder in the place of the Hub, behind a module with the functions of huggingface_hub that the library calls."""

import shutil
import sys
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType


def install(monkeypatch, root: Path) -> list[tuple]:
    """Put a fake huggingface_hub in the place of the real one. Returns its calls, in their order."""
    calls, module = [], ModuleType("huggingface_hub")

    def copy(source: Path, target: Path, patterns: list[str]) -> None:
        target.mkdir(parents=True, exist_ok=True)
        for path in source.rglob("*"):
            inside = str(path.relative_to(source))
            if path.is_file() and any(fnmatch(inside, pattern) for pattern in patterns):
                (target / inside).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target / inside)

    class HfApi:
        def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
            calls.append(("create", repo_id, private))
            (root / repo_id).mkdir(parents=True, exist_ok=exist_ok)

        def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> None:
            calls.append(("upload", repo_id))
            copy(Path(folder_path), root / repo_id, ["*"])

    def snapshot_download(
        repo_id: str, *, revision: str | None, allow_patterns: list[str], local_dir: str | None
    ) -> str:
        calls.append(("download", repo_id, revision))
        if not (root / repo_id).is_dir():
            raise FileNotFoundError(f"404: no repository {repo_id}\nwith more lines")
        target = Path(local_dir) if local_dir else root / "cache" / repo_id
        copy(root / repo_id, target, allow_patterns)
        return str(target)

    module.HfApi, module.snapshot_download = HfApi, snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return calls
