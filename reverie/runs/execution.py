"""How a computation on tensors runs: eagerly, compiled, or recorded once as a CUDA graph and then replayed.

A graph is a list of kernels on fixed memory. A GPU starts the whole list at once, without Python between two kernels.
So every input and output needs a buffer of its own, and nothing may read a value or move data to or from the host.
"""

import traceback
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import torch

from reverie import tree
from reverie.errors import UserError

F = TypeVar("F", bound=Callable[..., Any])
Execution = Literal["eager", "compiled", "graph"]
Record = Callable[[Callable[[], Any]], tuple[Callable[[], object], Any]]
"""Records what a function computes on tensors: returns what computes it again, and where the results then lie."""
WARM_UP = 3
"""Eager calls before a recording. They make the optimizers' state and let libraries allocate, which a graph may not."""


def executed(function: F, execution: Execution) -> F:
    """Return the same function of trees of tensors, executed in this way. It may change tensors that it owns."""
    if execution == "compiled":
        return cast(F, _compiled(function))
    return cast(F, Replayed(function)) if execution == "graph" else function


class Replayed:
    """A function on buffers: inputs are copied in, results are copied out. On a GPU its recording is replayed.

    Each signature of arguments has buffers and a recording of its own. On a CPU the function computes on the buffers.
    """

    def __init__(self, function: Callable[..., Any], record: Record | None = None) -> None:
        self.function, self.record = function, record
        self.recordings: dict[Any, Recording] = {}

    def __call__(self, *arguments: Any) -> Any:
        signature = tree.signature(arguments)
        if signature not in self.recordings:
            on_gpu = any(leaf.is_cuda for leaf in tree.leaves(arguments))
            record = self.record or (record_graph if on_gpu else None)
            self.recordings[signature] = Recording(self.function, arguments, record)
        return self.recordings[signature](arguments)


class Recording:
    """The buffers of one signature of arguments. Without `record` the function is called every time."""

    def __init__(self, function: Callable[..., Any], arguments: Any, record: Record | None) -> None:
        self.inputs, self.record, self.calls = tree.copy(arguments), record, 0
        self.compute = lambda: function(*self.inputs)
        self.replay: Callable[[], object] | None = None

    def __call__(self, arguments: Any) -> Any:
        tree.copy_into(self.inputs, arguments)
        self.calls += 1
        if self.record is None:
            return tree.copy(self.compute())
        if self.calls <= WARM_UP:
            return tree.copy(beside(self.compute))
        if self.replay is None:
            self.replay, self.results = self.record(self.compute)
        self.replay()
        return tree.copy(self.results)


def beside(compute: Callable[[], Any]) -> Any:
    """Compute on another stream of the GPU, as it will be recorded; at once where there is no GPU."""
    if not torch.cuda.is_available():
        return compute()
    stream, present = torch.cuda.Stream(), torch.cuda.current_stream()
    stream.wait_stream(present)
    with torch.cuda.stream(stream):
        result = compute()
    present.wait_stream(stream)
    return result


def record_graph(compute: Callable[[], Any]) -> tuple[Callable[[], object], Any]:
    """Record a CUDA graph. The computation itself is not done. UserError where it cannot be one."""
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            results = compute()
    except RuntimeError as error:
        reason = next(iter(str(error).splitlines()), "")
        raise UserError(
            f"PyTorch could not record a CUDA graph ({reason}): some part reads a tensor's value, or moves data to the "
            "GPU; take --training.execution eager. `reverie resume` then goes on."
        ) from error
    return graph.replay, results


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the compiled function. Where PyTorch cannot compile it, UserError names the cache, which may be broken."""
    compiled = torch.compile(function)

    def run(*arguments: Any) -> Any:
        try:
            return compiled(*arguments)
        except Exception as error:
            files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
            raised_in = [file for file in files if not file.startswith("<")][-1]  # Python's import system is left out
            if "/torch/_inductor/" not in raised_in and not type(error).__module__.startswith("torch._dynamo"):
                raise
            from torch._inductor.codecache import cache_dir

            reason = " ".join(str(error).split("Set TORCHDYNAMO_VERBOSE")[0].split())
            raise UserError(
                f"PyTorch could not compile the update ({reason}): delete its cache {cache_dir()}, where a file may be "
                "broken, or take --training.execution eager. `reverie resume` then goes on."
            ) from error

    return run
