"""The order of the gallery: the way a user's questions come up, quickstart first."""

ORDER = (
    "plot_quickstart",
    "plot_raw_frame",
    "plot_any_classifier",
    "plot_notions",
    "plot_choose_strength",
    "plot_budget",
    "plot_promise",
    "plot_opposite_gaps",
    "plot_how_it_works",
    "plot_explain",
    "plot_limits",
    "plot_beside_fairlearn",
    "plot_intersections",
    "plot_few_known",
    "plot_grades",
    "plot_texts",
    "plot_images",
    "plot_adult",
    "plot_report",
    "plot_monitoring",
    "plot_ship",
    "plot_larger_than_memory",
    "plot_search_on_dask",
    "plot_defenses",
)


class ExampleOrder:
    """Sort key of sphinx-gallery; an example that is missing here ends the build."""

    def __init__(self, src_dir):
        self.src_dir = src_dir

    def __call__(self, filename):
        """Return the position of an example."""
        return ORDER.index(filename.removesuffix(".py"))
