"""YAML files with every section and key that the model zoo's users may have, with the defaults as values."""

EVERY_KEY = """
general:
  project_name: speech_enhancement_project
  logs_dir: logs
  saved_models_dir: saved_models
  gpu_memory_limit: 0.5
  display_figures: True
operation_mode: quantization
model:
  model_type: STFTTCNN
  state_dict_path:
  onnx_path: model.onnx
model_specific: {n_blocks: 2, num_layers: 3, in_channels: 257, tcn_latent_dim: 512, init_dilation: 2,
                 kernel_size: 3, layer_activation: relu, mask_activation: sigmoid}
dataset:
  name: valentini
  root_folder: /path
  n_speakers: 56
  file_extension: '.wav'
  num_training_samples:
  num_validation_samples: 100
  num_test_samples:
  shuffle: True
  random_seed: 42
  clean_train_files_path:
  clean_test_files_path:
  noisy_train_files_path:
  noisy_test_files_path:
  skip_bad_files: False
preprocessing: {pipeline_type: LibrosaSpecPipeline, peak_normalize: False, sample_rate: 16000, n_fft: 512,
                hop_length: 160, win_length: 400, window: hann, center: True, power: 1}
training:
  device: cuda:0
  epochs: 100
  optimizer: Adam
  optimizer_arguments: {lr: 0.001}
  loss: spec_mse
  batching_strategy: pad
  num_dataloader_workers: 4
  batch_size: 16
  reference_metric: pesq
  early_stopping: True
  early_stopping_patience: 50
  regularization:
    weight_clipping_max:
    activation_regularization:
    act_reg_layer_types: [Conv1d, DepthwiseSeparableConv]
    act_reg_threshold: 50.0
    penalty_type: l2
  save_every: 2
  snapshot_path:
  ckpt_path: ckpts/
  logs_filename: training_logs.csv
  opset_version: 17
quantization:
  num_quantization_samples: 100
  random_seed:
  noisy_quantization_files_path:
  static_sequence_length: 40
  static_axis_name: "seq_len"
  states: {}
  per_channel: True
  calibration_method: MinMax
  op_types_to_quantize:
  reduce_range: False
  extra_options: {CalibMovingAverage: True}
  target: generic
  accuracy_recovery: auto
  max_float_macs: 0.0
  sensitivity: False
evaluation: {logs_path: eval_logs/, device: "cuda:0", fixed_sequence_length: }
tools:
  stedgeai: {version: 10.0.0, optimization: balanced, on_cloud: True, path_to_stedgeai: }
  path_to_cubeIDE:
benchmarking: {board: STM32N6570-DK}
deployment:
  frames_per_patch: 30
  lookahead_frames: 5
  output_silence_threshold: -50
  c_project_path:
  IDE: GCC
  verbosity: 1
  hardware_setup: {serie: STM32N6, board: STM32N6570-DK, stlink_serial_number: }
  build_conf: "N6 Audio Bare Metal"
mlflow: {uri: ./experiment_outputs/mlruns}
hydra: {run: {dir: "./experiment_outputs/${now:%Y_%m_%d_%H_%M_%S}"}}
"""

EVERY_KEY_OF_VERSION_4 = """
general:
  project_name: speech_enhancement_project
  logs_dir: logs
  saved_models_dir: saved_models
  gpu_memory_limit: 0.5
  display_figures: True
  global_seed:
operation_mode: quantization
model:
  framework: torch
  model_name: STFTTCNN
  state_dict_path:
  model_path: model.onnx
model_specific: {n_blocks: 2, num_layers: 3, in_channels: 257, tcn_latent_dim: 512, init_dilation: 2,
                 kernel_size: 3, layer_activation: relu, mask_activation: sigmoid}
dataset:
  dataset_name: valentini
  root_folder: /path
  n_speakers: 56
  file_extension: '.wav'
  num_training_samples:
  num_validation_samples: 100
  num_test_samples:
  shuffle: True
  random_seed: 42
  clean_train_files_path:
  clean_test_files_path:
  noisy_train_files_path:
  noisy_test_files_path:
  clean_valid_files_path:
  noisy_valid_files_path:
  skip_bad_files: False
preprocessing: {pipeline_type: LibrosaSpecPipeline, peak_normalize: False, sample_rate: 16000, n_fft: 512,
                hop_length: 160, win_length: 400, window: hann, center: True, power: 1}
training:
  trainer_name: se_trainer
  dryrun: False
  device: cuda:0
  epochs: 100
  optimizer: Adam
  optimizer_arguments: {lr: 0.001}
  lr_scheduler: {scheduler: , scheduler_arguments: }
  loss: spec_mse
  batching_strategy: pad
  num_dataloader_workers: 4
  batch_size: 16
  reference_metric: pesq
  early_stopping: True
  early_stopping_patience: 50
  regularization:
    weight_clipping_max:
    activation_regularization:
    act_reg_layer_types: [Conv1d, DepthwiseSeparableConv]
    act_reg_threshold: 50.0
    penalty_type: l2
  save_every: 2
  snapshot_path:
  ckpt_path: ckpts/
  logs_filename: training_logs.csv
  opset_version: 17
quantization:
  quantizer: Onnx_quantizer
  target_opset:
  num_quantization_samples: 100
  random_seed:
  noisy_quantization_files_path:
  static_sequence_length: 40
  static_axis_name: "seq_len"
  states: {}
  granularity: per_channel
  onnx_quant_parameters:
    calibrate_method: MinMax
    op_types_to_quantize:
    nodes_to_quantize:
    nodes_to_exclude:
    weightType: Int8
    activType: QInt8
  reduce_range: False
  onnx_extra_options:
    CalibMovingAverage: True
    WeightSymmetric:
    ActivationSymmetric:
    QuantizeBias:
    SmoothQuant:
    SmoothQuantAlpha:
    SmoothQuantFolding:
    weights_tensor_override:
    activations_tensor_override: []
  target: generic
  accuracy_recovery: auto
  max_float_macs: 0.0
  sensitivity: False
evaluation: {target: host, gen_npy_input: False, gen_npy_output: False,
             logs_path: eval_logs/, device: "cuda:0", fixed_sequence_length: }
prediction: {target: host}
tools:
  stedgeai: {version: 10.0.0, optimization: balanced, on_cloud: True, path_to_stedgeai: }
  path_to_cubeIDE:
benchmarking: {board: STM32N6570-DK}
deployment:
  frames_per_patch: 30
  lookahead_frames: 5
  output_silence_threshold: -50
  c_project_path:
  IDE: GCC
  verbosity: 1
  hardware_setup: {serie: STM32N6, board: STM32N6570-DK, stlink_serial_number: }
  build_conf: "N6 Audio Bare Metal"
mlflow: {uri: ./pt/src/experiment_outputs/mlruns}
hydra: {run: {dir: "./pt/src/experiment_outputs/${now:%Y_%m_%d_%H_%M_%S}"}}
"""
"""The same in the form of version 4."""
