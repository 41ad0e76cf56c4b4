"""The published learning orders of the datasets, as data, in class names: one file per dataset."""

from saticl.protocols.isprs import ISPRS, ISPRS_CLASSES

__all__ = ["ISPRS", "ISPRS_CLASSES"]
