"""Settings that make every task family and network small, so that only compiling costs time.

`association` drives its units with .3 instead of 3, because a transmission takes spikes or a small
rate * dt: with drives of -3 the resources of `tsodyks_markram` grow without bound.
"""

TASKS = {
    "assembly": {
        "n_cells": 6,
        "n_patterns": 1,
        "shots": 1,
        "active": 0.5,
        "present": 2,
        "pause": 1,
        "recall": 2,
    },
    "association": {"n_patterns": 2, "n_bits": 6, "drive": 0.3},
    "bandit": {"n_steps": 6},
    "categories": {"shots": 1, "queries": 1},
    "cue_accumulation": {
        "n_cues": 3,
        "cue_steps": 1,
        "gap_steps": 1,
        "shortest": 1,
        "longest": 2,
        "decision_steps": 2,
        "group": 1,
    },
    "delayed_reward": {
        "n_in": 3,
        "n_cues": 2,
        "n_trials": 2,
        "n_judged": 1,
        "cue_steps": 2,
        "shortest": 0,
        "longest": 1,
        "rest_steps": 0,
    },
    "digits": {"shots": 1, "queries": 1},
    "leading_component": {"n_in": 4, "group": 2, "n_frames": 3, "frame": 2},
    "nonstationary": {"n_in": 4, "n_stretches": 2, "length": 3, "grace": 1},
    "odour_choice": {"n_sessions": 4, "n_trials": 2, "n_hidden": 3},
    "pointmass": {"n_trials": 2, "trial_steps": 3},
    "prototypes": {"n_in": 5, "n_classes": 3, "shots": 1, "queries": 1},
    "recordings": {},
    "regression": {"n_in": 5, "shots": 4, "queries": 2},
    "segments": {"shots": 1, "queries": 1},
    "spike_classification": {
        "digits": {"name": "digits", "shots": 1, "queries": 1},
        "image_steps": 3,
    },
    "spike_pairing": {"n_sessions": 5, "n_steps": 6, "n_in": 3, "n_out": 2},
    "spike_pattern_reward": {
        "n_in": 3,
        "pattern_steps": 2,
        "pause_steps": 1,
        "n_trials": 2,
        "n_judged": 1,
    },
    "spike_train_teacher": {"n_in": 4, "n_out": 3, "n_steps": 4, "n_test": 2},
    "store_recall": {"n_symbols": 3, "symbol_steps": 2, "delay": 1, "group": 1},
    "tabular": {"data": "iris", "shown": 4, "queries": 2},
    "homeostasis": {"n_in": 3, "n_out": 2, "n_steps": 6, "window": 4},
    "taught": {"n_in": 3, "n_out": 2, "n_steps": 4, "n_sessions": 4, "held": {"trials": 0.25}},
    "taught_potential": {"n_in": 3, "n_steps": 4},
    "teacher_student": {"n_in": 4, "n_out": 3, "n_steps": 4},
}
NETWORKS = {
    "autoassociative": {},
    "clamped": {},
    "ei": {"n_e": 4, "n_i": 2},
    "feedforward": {"hidden": [3]},
    "recurrent": {"n_recurrent": 5},
}
OUTER = {
    "bptt": {"steps": 2},
    "es": {"steps": 2, "population": 4},
    "forward": {"steps": 2, "chunk": 4},
    "genetic_programming": {
        "steps": 2,
        "mu": 2,
        "lambda_": 2,
        "proposals": 8,
        "n_rates": 2,
        "lengths": 2,
    },
    "hybrid": {
        "first": {"name": "es", "steps": 1, "population": 4},
        "then": {"name": "bptt", "steps": 1},
    },
    "lbfgs": {"steps": 2, "tries": 2},
    "multi_start": {"n": 2, "inner": {"name": "bptt", "steps": 2}, "spread": 0.1},
    "nres": {"steps": 2, "population": 4},
    "pes": {"steps": 2, "population": 4},
    "random_search": {"steps": 2, "candidates": 3},
    "truncated_bptt": {"steps": 2},
}
