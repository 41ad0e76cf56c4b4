"""What a prediction is worth: one confusion matrix, and every score derived from it.

`Confusion` lives in `saticl.metrics.confusion` (torch), the scores in `saticl.metrics.scores` (NumPy alone).
"""
