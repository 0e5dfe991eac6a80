"""The names that Keras 3.15 knows, as plain data, so that a misspelt name is refused without importing Keras.

Each table maps a class to its arguments, in order; arguments without a default carry a `*`. A test compares all tables
with Keras. They are strings of words because these are easier to read than a hundred quoted names.
"""

# ruff: noqa: SIM905

# Arguments that every optimizer takes in addition to its own.
OPTIMIZER_ARGUMENTS = tuple(
    """
    weight_decay clipnorm clipvalue global_clipnorm use_ema ema_momentum ema_overwrite_frequency
    loss_scale_factor gradient_accumulation_steps name
    """.split()
)

# By lower-case name, as Keras looks them up. Optimizers that wrap other optimizers are left out.
OPTIMIZERS: dict[str, str] = {
    "adadelta": "learning_rate rho epsilon",
    "adafactor": "learning_rate beta_2_decay epsilon_1 epsilon_2 clip_threshold relative_step",
    "adagrad": "learning_rate initial_accumulator_value epsilon",
    "adam": "learning_rate beta_1 beta_2 epsilon amsgrad",
    "adamax": "learning_rate beta_1 beta_2 epsilon",
    "adamw": "learning_rate beta_1 beta_2 epsilon amsgrad",
    "ftrl": "learning_rate learning_rate_power initial_accumulator_value l1_regularization_strength "
    "l2_regularization_strength l2_shrinkage_regularization_strength beta",
    "lion": "learning_rate beta_1 beta_2",
    "muon": "learning_rate adam_beta_1 adam_beta_2 adam_weight_decay epsilon exclude_layers "
    "exclude_embeddings muon_a muon_b muon_c adam_lr_ratio momentum ns_steps nesterov rms_rate",
    "nadam": "learning_rate beta_1 beta_2 epsilon",
    "rmsprop": "learning_rate rho momentum epsilon centered",
    "schedulefreeadamw": "learning_rate beta_1 beta_2 epsilon warmup_steps",
    "sgd": "learning_rate momentum nesterov",
}

RATE_SCHEDULES: dict[str, str] = {
    "CosineDecay": "*initial_learning_rate *decay_steps alpha name warmup_target warmup_steps",
    "CosineDecayRestarts": "*initial_learning_rate *first_decay_steps t_mul m_mul alpha name",
    "ExponentialDecay": "*initial_learning_rate *decay_steps *decay_rate staircase name",
    "InverseTimeDecay": "*initial_learning_rate *decay_steps *decay_rate staircase name",
    "PiecewiseConstantDecay": "*boundaries *values name",
    "PolynomialDecay": "*initial_learning_rate *decay_steps end_learning_rate power cycle name",
}

LOSSES: dict[str, str] = {
    "BinaryCrossentropy": "from_logits label_smoothing axis reduction name dtype",
    "BinaryFocalCrossentropy": "apply_class_balancing alpha gamma from_logits label_smoothing axis reduction "
    "name dtype",
    "CTC": "reduction name dtype",
    "CategoricalCrossentropy": "from_logits label_smoothing axis reduction name dtype",
    "CategoricalFocalCrossentropy": "alpha gamma from_logits label_smoothing axis reduction name dtype",
    "CategoricalHinge": "reduction name dtype",
    "Circle": "gamma margin remove_diagonal reduction name dtype",
    "CosineSimilarity": "axis reduction name dtype",
    "Dice": "reduction name axis dtype",
    "Hinge": "reduction name dtype",
    "Huber": "delta reduction name dtype",
    "KLDivergence": "reduction name dtype",
    "LogCosh": "reduction name dtype",
    "MeanAbsoluteError": "reduction name dtype",
    "MeanAbsolutePercentageError": "reduction name dtype",
    "MeanSquaredError": "reduction name dtype",
    "MeanSquaredLogarithmicError": "reduction name dtype",
    "Poisson": "reduction name dtype",
    "SparseCategoricalCrossentropy": "from_logits ignore_class reduction axis name dtype",
    "SquaredHinge": "reduction name dtype",
    "Tversky": "alpha beta reduction name axis dtype",
}

# Losses that can be named but take no arguments.
LOSS_NAMES = tuple(
    """
    BCE KLD MAE MAPE MSE MSLE bce binary_crossentropy binary_focal_crossentropy categorical_crossentropy
    categorical_focal_crossentropy categorical_hinge circle cosine_similarity ctc dice hinge huber
    kl_divergence kld log_cosh mae mape mean_absolute_error mean_absolute_percentage_error mean_squared_error
    mean_squared_logarithmic_error mse msle poisson sparse_categorical_crossentropy squared_hinge tversky
    """.split()
)

METRICS: dict[str, str] = {
    "AUC": "num_thresholds curve summation_method name dtype thresholds multi_label num_labels "
    "label_weights from_logits",
    "Accuracy": "name dtype",
    "BinaryAccuracy": "name dtype threshold",
    "BinaryCrossentropy": "name dtype from_logits label_smoothing",
    "BinaryIoU": "target_class_ids threshold name dtype",
    "CategoricalAccuracy": "name dtype",
    "CategoricalCrossentropy": "name dtype from_logits label_smoothing axis",
    "CategoricalHinge": "name dtype",
    "ConcordanceCorrelation": "name dtype axis",
    "CosineSimilarity": "name dtype axis",
    "F1Score": "average threshold name dtype",
    "FBetaScore": "average beta threshold name dtype",
    "FalseNegatives": "thresholds name dtype",
    "FalsePositives": "thresholds name dtype",
    "Hinge": "name dtype",
    "IoU": "*num_classes *target_class_ids name dtype ignore_class sparse_y_true sparse_y_pred axis",
    "KLDivergence": "name dtype",
    "LogCoshError": "name dtype",
    "MeanAbsoluteError": "name dtype",
    "MeanAbsolutePercentageError": "name dtype",
    "MeanIoU": "*num_classes name dtype ignore_class sparse_y_true sparse_y_pred axis",
    "MeanSquaredError": "name dtype",
    "MeanSquaredLogarithmicError": "name dtype",
    "OneHotIoU": "*num_classes *target_class_ids name dtype ignore_class sparse_y_pred axis",
    "OneHotMeanIoU": "*num_classes name dtype ignore_class sparse_y_pred axis",
    "PearsonCorrelation": "name dtype axis",
    "Poisson": "name dtype",
    "Precision": "thresholds top_k class_id name dtype",
    "PrecisionAtRecall": "*recall num_thresholds class_id name dtype",
    "R2Score": "class_aggregation num_regressors name dtype",
    "Recall": "thresholds top_k class_id name dtype",
    "RecallAtPrecision": "*precision num_thresholds class_id name dtype",
    "RootMeanSquaredError": "name dtype",
    "SensitivityAtSpecificity": "*specificity num_thresholds class_id name dtype",
    "SparseCategoricalAccuracy": "name dtype",
    "SparseCategoricalCrossentropy": "name dtype from_logits ignore_class axis",
    "SparseTopKCategoricalAccuracy": "k name dtype from_sorted_ids",
    "SpecificityAtSensitivity": "*sensitivity num_thresholds class_id name dtype",
    "SquaredHinge": "name dtype",
    "TopKCategoricalAccuracy": "k name dtype",
    "TrueNegatives": "thresholds name dtype",
    "TruePositives": "thresholds name dtype",
}

# Aliases of the metrics above.
METRIC_NAMES: dict[str, str] = dict(
    pair.split("=")
    for pair in """
    BCE=BinaryCrossentropy MAE=MeanAbsoluteError MAPE=MeanAbsolutePercentageError MSE=MeanSquaredError
    MSLE=MeanSquaredLogarithmicError accuracy=Accuracy auc=AUC bce=BinaryCrossentropy
    binary_accuracy=BinaryAccuracy binary_crossentropy=BinaryCrossentropy binary_io_u=BinaryIoU
    categorical_accuracy=CategoricalAccuracy categorical_crossentropy=CategoricalCrossentropy
    categorical_hinge=CategoricalHinge concordance_correlation=ConcordanceCorrelation
    cosine_similarity=CosineSimilarity f1_score=F1Score f_beta_score=FBetaScore false_negatives=FalseNegatives
    false_positives=FalsePositives hinge=Hinge io_u=IoU kl_divergence=KLDivergence log_cosh_error=LogCoshError
    mae=MeanAbsoluteError mape=MeanAbsolutePercentageError mean_absolute_error=MeanAbsoluteError
    mean_absolute_percentage_error=MeanAbsolutePercentageError mean_io_u=MeanIoU
    mean_squared_error=MeanSquaredError mean_squared_logarithmic_error=MeanSquaredLogarithmicError
    mse=MeanSquaredError msle=MeanSquaredLogarithmicError one_hot_io_u=OneHotIoU
    one_hot_mean_io_u=OneHotMeanIoU pearson_correlation=PearsonCorrelation poisson=Poisson precision=Precision
    precision_at_recall=PrecisionAtRecall r2_score=R2Score recall=Recall recall_at_precision=RecallAtPrecision
    root_mean_squared_error=RootMeanSquaredError sensitivity_at_specificity=SensitivityAtSpecificity
    sparse_categorical_accuracy=SparseCategoricalAccuracy
    sparse_categorical_crossentropy=SparseCategoricalCrossentropy
    sparse_top_k_categorical_accuracy=SparseTopKCategoricalAccuracy
    specificity_at_sensitivity=SpecificityAtSensitivity squared_hinge=SquaredHinge
    top_k_categorical_accuracy=TopKCategoricalAccuracy true_negatives=TrueNegatives
    true_positives=TruePositives
    """.split()
)

CALLBACKS: dict[str, str] = {
    "CSVLogger": "*filename separator append",
    "EarlyStopping": "monitor min_delta patience verbose mode baseline restore_best_weights start_from_epoch",
    "LearningRateScheduler": "*schedule verbose",
    "ModelCheckpoint": "*filepath monitor verbose save_best_only save_weights_only mode save_freq "
    "initial_value_threshold",
    "ReduceLROnPlateau": "monitor factor patience verbose mode min_delta cooldown min_lr",
    "RemoteMonitor": "root path field headers send_as_json",
    "TensorBoard": "log_dir histogram_freq write_graph write_images write_steps_per_second update_freq "
    "profile_batch embeddings_freq embeddings_metadata",
    "TerminateOnNaN": "raise_error",
}
