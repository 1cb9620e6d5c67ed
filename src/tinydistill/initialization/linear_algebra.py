"""Linear algebra for a student in closed form, all from Gram matrices and covariances in double precision.

Shapes: N tokens, P features, Q targets, D hidden size, H heads, d head size, K candidate neurons.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tinydistill.errors import InputError
from tinydistill.models.threads import use_threads

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
EPSILON = 1e-7  # eigenvalues below this share of the largest are rounding errors of single precision

_one_thread = use_threads(1)  # decompositions this small lose far more to waiting threads than they gain


@dataclass
class NormalEquations:
    """What least squares needs to know of N rows of features and targets: sums of products, in double precision.

    A constant feature 1 is appended: the last row of every solution is the bias.
    """

    count: int = 0
    gram: Tensor = field(default_factory=lambda: torch.empty(0))
    cross: Tensor = field(default_factory=lambda: torch.empty(0))
    squares: float = 0.0

    def update(self, x_NP: Tensor, y_NQ: Tensor) -> None:
        """Adds N rows; products in the rows' own precision, sums in double."""
        x = torch.cat([x_NP, x_NP.new_ones(len(x_NP), 1)], dim=1)
        self.count += len(x)
        if not self.gram.numel():
            width = x.shape[1]
            self.gram = x.new_zeros(width, width, dtype=torch.double)
            self.cross = x.new_zeros(width, y_NQ.shape[1], dtype=torch.double)
        self.gram += x.T @ x
        self.cross += x.T @ y_NQ
        self.squares += float(y_NQ.double().square().sum())

    def of(self, features: Tensor) -> "NormalEquations":
        """The same with only some of the features (and the constant)."""
        rows = torch.cat([features, features.new_tensor([-1])])
        return NormalEquations(self.count, self.gram[rows][:, rows], self.cross[rows], self.squares)

    def means(self) -> tuple[Tensor, Tensor]:
        """Gram matrix [P+1, P+1] and cross products [P+1, Q], divided by N."""
        return self.gram / self.count, self.cross / self.count

    def error(self, weights: Tensor) -> float:
        """The mean over rows of the squared error of weights [P+1, Q]."""
        return (float((weights * (self.gram @ weights - 2 * self.cross)).sum()) + self.squares) / self.count

    def __add__(self, other: "NormalEquations") -> "NormalEquations":
        sums = self.count + other.count, self.gram + other.gram, self.cross + other.cross
        return NormalEquations(*sums, self.squares + other.squares)


def penalized(gram: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """The Gram matrix [P+1, P+1] with `strength` times the features' mean square on its diagonal, the bias left out.

    And its lower Cholesky factor. With fewer rows than features, rounding can leave the Gram matrix of fp32 products
    slightly indefinite; the penalty then grows tenfold until the factorization holds.
    """
    while True:
        matrix = gram.clone()
        features = matrix.diagonal()[:-1]
        features += strength * features.mean()
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if not failed:
            return matrix, factor
        if not math.isfinite(strength):
            raise InputError("the sample's features are not finite numbers")
        strength *= 10


@_one_thread
def ridge(gram: Tensor, cross: Tensor, strength: float) -> Tensor:
    """Weights [P+1, Q] of the ridge regression whose penalty is `strength` times the features' mean square."""
    return torch.cholesky_solve(cross, penalized(gram, strength)[1])


@_one_thread
def best_strength(fit: NormalEquations, held_out: NormalEquations, strengths: Sequence[float] = STRENGTHS) -> float:
    """The largest penalty whose held-out error is within 1% of the best one's: small weights train better."""
    means = fit.means()
    errors = {s: held_out.error(ridge(*means, s)) for s in strengths}
    return max(s for s, error in errors.items() if error <= 1.01 * min(errors.values()))


def root(gram: Tensor) -> tuple[Tensor, Tensor]:
    """R with RᵀR = gram, and its pseudo-inverse; directions that hold next to nothing are left out."""
    values, vectors = torch.linalg.eigh(gram)
    held = values > EPSILON * values[-1]
    sizes = values.where(held, 0).sqrt()
    return sizes[:, None] * vectors.T, vectors * sizes.reciprocal().where(held, 0)


@_one_thread
def low_rank_scores(gram_q: Tensor, gram_k: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Maps A, B [d, rank] such that qA(kB)ᵀ is the best approximation of qkᵀ of that rank, given qᵀq and kᵀk [d, d].

    With q = Q₁R_q, k = Q₂R_k and R_qR_kᵀ = USWᵀ, qkᵀ = (Q₁U)S(Q₂W)ᵀ is a singular value decomposition (Eckart–Young).
    """
    (R_q, inverse_q), (R_k, inverse_k) = root(gram_q), root(gram_k)
    U, S, Wt = torch.linalg.svd(R_q @ R_k.T)
    half = S[:rank].sqrt()
    return inverse_q @ U[:, :rank] * half, inverse_k @ Wt[:rank].T * half


@_one_thread
def head_maps(
    gram: Tensor, cross: Tensor, heads: int, rank: int, strength: float, sweeps: int = 3
) -> tuple[Tensor, Tensor, Tensor]:
    """Ridge regression on the concatenated features of H heads [H·D (+1)], each head's map D → Q held to a rank.

    Returns value maps [H, D, rank], output maps [H, rank, Q] and the bias [Q]. Head by head, what the others leave is
    fitted by reduced-rank regression in the metric of the head's own features (Izenman, 1975), `sweeps` times around.
    """
    gram, factor = penalized(gram, strength)
    weights = torch.cholesky_solve(cross, factor)
    D = (len(gram) - 1) // heads
    blocks = [slice(h * D, (h + 1) * D) for h in range(heads)]
    roots = [torch.linalg.cholesky(gram[b, b], upper=True) for b in blocks]
    value = gram.new_zeros(heads, D, rank)
    output = gram.new_zeros(heads, rank, cross.shape[1])
    for _ in range(sweeps):
        for h, (b, R) in enumerate(zip(blocks, roots, strict=True)):
            left = cross[b] - gram[b] @ weights + gram[b, b] @ weights[b]
            U, S, Wt = torch.linalg.svd(torch.linalg.solve_triangular(R.T, left, upper=False), full_matrices=False)
            half = S[:rank].sqrt()
            value[h] = torch.linalg.solve_triangular(R, U[:, :rank] * half, upper=True)
            output[h] = half[:, None] * Wt[:rank]
            weights[b] = value[h] @ output[h]
        weights[-1] = (cross[-1] - gram[-1, :-1] @ weights[:-1]) / gram[-1, -1]
    return value, output, weights[-1]


@_one_thread
def most_useful(gram: Tensor, cross: Tensor, count: int, strength: float, rounds: int = 4) -> Tensor:
    """Indices [count] of the features that a ridge regression misses most, from the products of K (+1, the constant).

    In each round the least useful are dropped and the rest fitted anew: dropping feature j costs |w_j|²/(G⁻¹)_jj (the
    saliency of optimal brain surgeon, Hassibi & Stork, 1993).
    """
    K = len(gram) - 1
    gram, _ = penalized(gram, strength)
    kept = torch.arange(K, device=gram.device)
    constant = torch.tensor([K], device=gram.device)
    for i in range(1, rounds + 1):
        size = round(K * (count / K) ** (i / rounds))
        rows = torch.cat([kept, constant])
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram[rows][:, rows]))
        cost = (inverse @ cross[rows]).square().sum(1) / inverse.diagonal()
        kept = kept[cost[:-1].topk(size).indices].sort().values
    return kept


def shared_subspace(covariances: Sequence[Tensor], width: int) -> Tensor:
    """Leading eigenvectors [D, width] of the sum of covariances [D, D], each divided by its trace."""
    total = torch.stack([covariance / covariance.trace() for covariance in covariances]).sum(0)
    return torch.linalg.eigh(total).eigenvectors.flip(1)[:, :width]


def random_rotation(width: int, seed: int) -> Tensor:
    """An orthogonal matrix [width, width], uniform over rotations and reflections, in double precision."""
    noise = torch.randn(width, width, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    Q, R = torch.linalg.qr(noise)
    return Q * R.diagonal().sign()


class RunningCovariance:
    """Running mean and covariance of vectors, in double precision."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: Tensor | float = 0.0
        self._products: Tensor | float = 0.0

    def update(self, x_ND: Tensor) -> None:
        """Adds N vectors."""
        x = x_ND.double()
        self.count += len(x)
        self._sum = self._sum + x.sum(0)
        self._products = self._products + x.T @ x

    @property
    def mean(self) -> Tensor:
        """[D]."""
        return torch.as_tensor(self._sum) / self.count

    @property
    def covariance(self) -> Tensor:
        """[D, D], divided by N."""
        return torch.as_tensor(self._products) / self.count - torch.outer(self.mean, self.mean)


def variance(covariance_DD: Tensor) -> float:
    """The mean variance of a feature: what guessing the mean costs in mean squared error."""
    return float(covariance_DD.diagonal().mean())


def subspace_floor(covariance_DD: Tensor, width: int) -> float:
    """The share of variance outside the best subspace of `width` dimensions, 0 to 1.

    No linear map of `width` features can leave less of the states unexplained than the smallest eigenvalues hold.
    """
    eigenvalues = torch.linalg.eigvalsh(covariance_DD).clamp_min(0)  # ascending
    return float(eigenvalues[: max(0, len(eigenvalues) - width)].sum() / eigenvalues.sum())
