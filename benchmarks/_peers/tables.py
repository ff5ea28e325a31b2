"""Tables of results: means over seeds, and the documentation's tables of them."""


def tabulate(results):
    """Average over seeds."""
    keys = ["task", "method", "learner", "notion"]
    figures = ["accuracy", "average_odds", "demographic_parity", "recall", "cost"]
    return results.groupby(keys, sort=False)[figures].mean().reset_index()


def write_tables(results, folder):
    """Write the tables."""
