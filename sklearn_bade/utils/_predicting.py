"""Prediction by probabilities, in one place for debiasers and defences."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted


class PredictByProbabilityMixin(ClassifierMixin):
    """Classifier mixin for subclasses that say their probabilities in `_predict_proba`."""

    def predict_proba(self, X):
        """Estimate class probabilities.

        Parameters
        ----------
        X : {array-like, dataframe, torch Dataset, SliceDataset} of shape (n_samples, ...)
            Rows as in `fit`. Debiasers do not use sensitive columns, which may be left out.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes) or dask.dataframe.DataFrame
            Probabilities, in the order of `classes_`. Debiasers answer a Dask DataFrame by
            one of its partitions and index, with a column per class.
        """
        check_is_fitted(self)
        return self._predict_proba(X)

    def predict_log_proba(self, X):
        """Estimate logarithms of class probabilities.

        Parameters
        ----------
        X : {array-like, dataframe, torch Dataset, SliceDataset} of shape (n_samples, ...)
            Rows as in `fit`. Debiasers do not use sensitive columns, which may be left out.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Logarithms of :meth:`predict_proba`; minus infinity for a probability of zero.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, dataframe, torch Dataset, SliceDataset} of shape (n_samples, ...)
            Rows as in `fit`. Debiasers do not use sensitive columns, which may be left out.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Labels, of the type that `fit` was given.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]
