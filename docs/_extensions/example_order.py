"""The order of the gallery: the way a user's questions come up, quickstart first."""

ORDER = (
    "adult",
    "plot_quickstart",
    "plot_choose_strength",
    "plot_report",
    "plot_explain",
    "plot_images",
    "plot_texts",
    "plot_ship",
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
