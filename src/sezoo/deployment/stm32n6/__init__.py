"""The backend that goes through ST's own tools onto an STM32N6570-DK.

What is to be known before anything is started is in `checks`, `conf_file`, `c_project` and `tools`, the files that
are written for the board in `headers`, what is run in `steps`; `deploy` goes through it all in order.
"""
