"""The `stm32n6` backend, which deploys to an STM32N6570-DK with ST's tools.

`checks`, `conf_file`, `c_project` and `tools` validate settings, C project and tools before anything runs, `headers`
writes files for the board, `steps` defines the commands, and `deploy` runs everything in order.
"""
