"""All bootstrap samples, one by one. Only for very few pairs."""

from itertools import product


def exact_means(differences: list[float]) -> list[float]:
    """The mean of every way to draw as many as there are, with replacement."""
    number = len(differences)
    return [sum(drawn) / number for drawn in product(differences, repeat=number)]


def exact_quantile(values: list[float], share: float) -> float:
    """The value below which this share of all lies."""
    return sorted(values)[round(share * (len(values) - 1))]
