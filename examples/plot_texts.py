"""
Texts: biographies that give the gender away
============================================

A classifier of short biographies is to tell the occupation. In the training texts, nurses
are mostly women and surgeons mostly men. Pronouns and names are scrubbed, and yet the
classifier has learned the gender: from adjectives, praise and hobbies.
"""

# %%
# The texts
# ---------
# Everybody in the test appears once as a woman and once as a man, so that gender and
# occupation are independent there.

# sphinx_gallery_thumbnail_number = 2

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
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
# A vectorizer, a classifier
# --------------------------
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
# One occupation
# --------------
# What becomes of surgeons, by gender, before (hollow) and after (filled):

GroupRatesDisplay.from_predictions(
    y_test,
    {"plain": plain.predict(X_test), "debiased": clf.predict(X_test)},
    sensitive_features=gender_test,
    pos_label="surgeon",
)
plt.show()

# %%
# Which words carry it
# --------------------
# The student's cells say how likely each gender is, given the text and the occupation. With
# a vectorizer and a linear model, its coefficients can be read as words. Here are those
# that speak most for either gender among surgeons: what was left after pronouns and names
# had gone. A town among them is there by chance.

student = clf.estimator_.student_
surgeon = student.classes_.tolist().index("surgeon")
words = pd.Series(
    student.cells.classifiers[surgeon].coef_[0], student.get_feature_names_out()
)
words = words[words.index.str.isalpha()].sort_values()
telltale = pd.concat([words.head(6), words.tail(6)])
fig, ax = plt.subplots(figsize=(5.6, 4.2), layout="constrained")
ax.barh(telltale.index, telltale, color=np.where(telltale > 0, "#D55E00", "#0072B2"))
ax.axvline(0, color="black", linewidth=0.8)
ax.set(title="Surgeons: words that tell the gender")
ax.set_xlabel("log-odds of a man (left: of a woman)")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
