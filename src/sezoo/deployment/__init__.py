"""Deployment of static int8 models on microcontrollers: C packages, TensorFlow Lite files, STM32N6 projects."""
