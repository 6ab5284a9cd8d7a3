"""Classifiers of voices: tables to learn from, training, honest judging, files, answers.

Conventions: speakers never cross from training to test unless a person asks for the split by clip,
and then it is named; whatever is learnt from data (scaling, logarithms, outlier cuts, calibration)
is learnt inside the folds; a number never stands without its interval and its baselines.
"""
