"""Losses on the rows of a classifier: the weights [K, D] with which it scores its classes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.losses.masking import masked_mean
from saticl.losses.precision import full_precision
from saticl.types import Scalar


@full_precision
def row_overlap(rows: Tensor, num_new: int) -> Scalar:
    """How far new rows are from orthogonal to all others: mean of |cos(w_i, w_j)| over new i and all j but i itself.

    Only w_i carries gradient: the others are where they are. Park et al., ECCV 2024, arXiv:2407.11859.

    Args:
        rows: [K, D], new ones last.
        num_new: how many are new; 0 gives 0.
    """
    num_old = len(rows) - num_new
    cosines = F.normalize(rows[num_old:], dim=1) @ F.normalize(rows.detach(), dim=1).T
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)[num_old:]
    return masked_mean(cosines.abs(), ~itself)
