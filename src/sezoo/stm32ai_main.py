"""`python -m sezoo.stm32ai_main`: the model zoo's command where no clone is at hand; the same as `python -m sezoo`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("sezoo", run_name="__main__", alter_sys=True)
