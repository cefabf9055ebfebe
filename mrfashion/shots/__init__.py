"""The shot detectors. To add one: a file here with `cuts`, and a line in SHOT_DETECTORS."""

from mrfashion.shots.content import ContentCuts

SHOT_DETECTORS = {"content": ContentCuts}
