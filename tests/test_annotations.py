import pytest
import torch
from jaxtyping import TypeCheckError

from reverie.types import Plan


def test_a_wrong_shape_is_an_error_in_every_test():
    Plan(mean=torch.zeros(2, 3, 4), std=torch.zeros(2, 3, 4), elites=torch.zeros(2, 1, 3, 4))
    with pytest.raises(TypeCheckError):
        Plan(mean=torch.zeros(2, 3), std=torch.zeros(2, 3, 4), elites=torch.zeros(2, 1, 3, 4))
    with pytest.raises(TypeCheckError):
        Plan(mean=torch.zeros(2, 3, 4), std=torch.zeros(2, 5, 4), elites=torch.zeros(2, 1, 3, 4))
