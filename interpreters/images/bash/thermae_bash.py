"""bash_kernel without its pauses: `python -P -m thermae_bash -f <connection file>`.

pexpect waits 50 ms before every line that it sends, for programs that turn echo off when they ask for a password.
The kernel's shell has no echo from the start, so there is nothing to wait for: of a cell of twenty lines a second
was waiting, and so were two seconds of every launch.
"""

from typing import Any

import pexpect


class PromptSpawn(pexpect.spawn):
    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self.delaybeforesend = None


def launch() -> None:
    pexpect.spawn = PromptSpawn
    from bash_kernel.kernel import BashKernel
    from ipykernel.kernelapp import IPKernelApp

    class OneShell(BashKernel):
        """There is one shell behind it: what it is asked aside would be typed into the cell that runs."""

        @property
        def kernel_info(self) -> dict[str, Any]:
            info: dict[str, Any] = super().kernel_info
            return {**info, "supported_features": []}

    IPKernelApp.launch_instance(kernel_class=OneShell)


if __name__ == "__main__":
    launch()
