"""
Texts
=====

A classifier of short biographies is to tell the occupation. In the training texts, nurses
are mostly women and surgeons mostly men. Pronouns and names are scrubbed, and yet the
classifier has learned the gender: from adjectives, praise and hobbies.
"""

# %%
# Everybody in the test appears once as a woman and once as a man, so that gender and
# occupation are independent there.
import matplotlib.pyplot as plt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_bade import BackdoorDebiasClassifierCV
from sklearn_bade.datasets import make_biased_biographies
from sklearn_bade.inspection import GroupRatesDisplay
from sklearn_bade.metrics import equal_opportunity_difference

X, X_test, y, y_test, gender, gender_test = make_biased_biographies(
    scrub=True, random_state=0
)
print(X[0])

# %%
# The pipeline is any that takes texts. A search over the strength judges, by default, what
# people as in the training texts would get; here it shall judge for as many women as men in
# each occupation, since that is what the test is about.
model = make_pipeline(TfidfVectorizer(), LogisticRegression())
clf = BackdoorDebiasClassifierCV(model, population="balanced", random_state=0)
clf.fit(X, y, sensitive_features=gender)
plain = clf.with_strength(0.0)

for name, each in {"plain": plain, "debiased": clf}.items():
    y_pred = each.predict(X_test)
    gap = equal_opportunity_difference(
        y_test, y_pred, sensitive_features=gender_test, multiclass="mean"
    )
    print(f"{name}: accuracy {each.score(X_test, y_test):.3f}, mean gap {gap:.3f}")

# %%
# Recall of one occupation, by gender:
fig, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
for ax, (name, each) in zip(axes, {"plain": plain, "debiased": clf}.items()):
    GroupRatesDisplay.from_predictions(
        y_test,
        each.predict(X_test),
        sensitive_features=gender_test,
        pos_label="surgeon",
        ax=ax,
    )
    ax.set_title(name)
