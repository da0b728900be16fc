"""Estimates of tokens, against counts made with vocabularies like GLM's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_jupyter.api import tokens

# Counted with cl100k; the Chinese text, of which that knows little, with Qwen's vocabulary.
COUNTED = {
    "The covariance matrix of a random vector is symmetric and positive semidefinite: every "
    "eigenvalue is real and not negative, and its eigenvectors can be chosen orthogonal.": 34,
    "协方差矩阵是对称的半正定矩阵，它的特征值都是非负实数，特征向量可以取为两两正交。"
    "主成分分析就是沿着这些方向投影数据。": 42,
    r"\[ \Sigma = \begin{pmatrix} \sigma_x^2 & \rho\sigma_x\sigma_y \\ \rho\sigma_x\sigma_y & "
    r"\sigma_y^2 \end{pmatrix}, \quad \det \Sigma = \sigma_x^2\sigma_y^2(1-\rho^2) \]": 71,
    "def ellipse(cov, scale=2.0):\n    values, vectors = np.linalg.eigh(cov)\n    angle = "
    "np.degrees(np.arctan2(*vectors[:, -1][::-1]))\n    return scale * np.sqrt(values), "
    "angle\n": 54,
    "x,y\n0.125,1.750\n-2.500,3.142\n10.000,2.718\n": 28,
}


@pytest.mark.parametrize(("text", "counted"), COUNTED.items())
def test_close_to_a_real_count(text: str, counted: int) -> None:
    estimated = tokens.estimate(text)
    assert 0.85 <= counted / estimated <= 1.15
    assert tokens.at_least(estimated) < counted < tokens.at_most(estimated)


def test_nothing_is_nothing() -> None:
    assert tokens.estimate("") == tokens.estimate([]) == tokens.at_least(0) == 0


def test_messages_are_counted_with_the_marks_around_them() -> None:
    one = tokens.estimate([{"role": "user", "content": "Why?"}])
    assert one > tokens.estimate("Why?")
    assert tokens.estimate([{"role": "user", "content": "Why?"}] * 2) > one


def test_every_text_of_a_message_counts() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "a" * 100}}
    parts = [{"type": "text", "text": "b " * 50}, {"type": "image_url", "image_url": {"url": "x"}}]
    plain = tokens.estimate([{"role": "assistant", "content": None}])
    for more in (
        {"content": "c " * 50},
        {"content": parts},
        {"tool_calls": [call]},
        {"reasoning_content": "d " * 50},
    ):
        assert tokens.estimate([{"role": "assistant", "content": None, **more}]) > plain + 10


@given(st.text(), st.text())
def test_more_text_is_never_estimated_at_less(text: str, more: str) -> None:
    assert tokens.estimate(text + "\n" + more) >= tokens.estimate(text) - 1
