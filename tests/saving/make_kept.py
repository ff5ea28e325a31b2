"""Makes the file that later versions must be able to load."""

from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from sklearn_bade import BackdoorDebiasClassifier
from sklearn_bade.saving import save

if __name__ == "__main__":
    rng = np.random.RandomState(0)
    groups = rng.randint(2, size=300)
    X = rng.normal(size=(300, 4)) + groups[:, None]
    y = (X[:, 0] + rng.normal(size=300) > 0.5).astype(int)
    clf = BackdoorDebiasClassifier(
        HistGradientBoostingClassifier(max_iter=2), random_state=0
    ).fit(X, y, sensitive_features=groups)
    here = Path(__file__).parent
    save(clf, here / "kept.bade")
    rows = np.linspace(-2, 2, 40).reshape(10, 4)
    np.save(here / "kept_proba.npy", clf.predict_proba(rows))
