"""A head that is fitted on frozen features is the regularised logistic regression on them."""

import pytest
import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression
from torch import nn

from frod_bench.errors import RequestError
from frod_bench.train.accelerator import make_accelerator
from frod_bench.train.head_fit import WEIGHT_DECAY, fit_head
from frod_bench.train.loading import Loader
from frod_bench.train.settings import TrainSettings

ROWS, WIDTH, CLASSES = 60, 5, 3


class Model(nn.Module):
    def __init__(self, head=None):
        super().__init__()
        self.body, self.classifier = nn.Linear(WIDTH, WIDTH), head or nn.Linear(WIDTH, CLASSES, bias=False)
        self.dropout = nn.Dropout(0.5)

    def forward(self, inputs, labels=None):
        return self.classifier(self.dropout(self.body(inputs)))


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(ROWS, WIDTH, generator=generator)
    labels = (features @ torch.randn(WIDTH, CLASSES, generator=generator)).argmax(1)
    labels[:6] = (labels[:6] + 1) % CLASSES  # so that no hyperplane separates them
    return Dataset.from_dict({"inputs": features.tolist(), "labels": labels.tolist()})


@pytest.fixture
def load():
    settings = TrainSettings(epochs=1, batch_size=8, lr={"head": 0.1}, roles=("head",), device="cpu")
    collate = lambda rows: {key: torch.tensor([row[key] for row in rows]) for key in rows[0]}  # noqa: E731
    return Loader(make_accelerator(settings), collate)


def test_the_head_is_the_logistic_regression_of_scikit_learn(rows, load):
    torch.manual_seed(0)
    model = Model()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    fit_head(model, ["classifier"], rows, load, batch_size=7)
    with torch.no_grad():
        features = model.body(torch.tensor(rows["inputs"])).numpy()
    theirs = LogisticRegression(C=1 / (WEIGHT_DECAY * ROWS), fit_intercept=False, tol=1e-8, max_iter=5000)
    theirs.fit(features, rows["labels"])
    ours = model.classifier.weight.detach()
    torch.testing.assert_close(ours - ours.mean(0), torch.tensor(theirs.coef_).float(), rtol=2e-2, atol=2e-2)
    assert torch.equal(model.body.weight, before["body.weight"]) and model.body.weight.grad is None


class FirstToken(nn.Module):
    def __init__(self, mean=False):
        super().__init__()
        self.out, self.mean = nn.Linear(WIDTH, CLASSES), mean

    def forward(self, features):
        return self.out(features.mean(1) if self.mean else features[:, 0])


class Tokens(Model):
    def forward(self, inputs, labels=None):
        return super().forward(inputs[:, None].repeat(1, 4, 1) * torch.arange(1, 5).view(1, 4, 1))


def test_a_head_that_reads_the_first_token_is_fitted_and_one_that_reads_all_is_refused(rows, load):
    assert fit_head(Tokens(FirstToken()), ["classifier"], rows, load, 8) < 0.9
    with pytest.raises(RequestError, match="reads all tokens"):
        fit_head(Tokens(FirstToken(mean=True)), ["classifier"], rows, load, 8)


def test_a_head_of_two_modules_is_refused(rows, load):
    with pytest.raises(RequestError, match="has 2 modules"):
        fit_head(Model(), ["classifier", "body"], rows, load, 8)
