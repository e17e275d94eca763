"""Settings that make every task family and network small: compiling is all that is left of their cost."""

TASKS = {
    "association": {"n_patterns": 2, "n_bits": 6},
    "bandit": {"n_steps": 6},
    "digits": {"shots": 1, "queries": 1},
    "nonstationary": {"n_in": 4, "n_stretches": 2, "length": 3, "grace": 1},
    "pointmass": {"n_trials": 2, "trial_steps": 3},
    "prototypes": {"n_in": 5, "n_classes": 3, "shots": 1, "queries": 1},
    "regression": {"n_in": 5, "shots": 4, "queries": 2},
    "tabular": {"data": "iris", "shown": 4, "queries": 2},
    "teacher_student": {"n_in": 4, "n_out": 3, "n_steps": 4},
}
NETWORKS = {"feedforward": {"hidden": [3]}, "recurrent": {"n_recurrent": 5}, "autoassociative": {}}
OUTER = {"bptt": {"steps": 2}, "es": {"steps": 2, "population": 4}}
