"""Hydra searches a user's folder of configuration files after the package's; see `frod_bench.config.user_folder`.

Hydra takes plugins from the package `hydra_plugins` only, so this file is here.
"""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from frod_bench.config.paths import config_dirs


class UserConfigs(SearchPathPlugin):
    """Append the folders beside the package's own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """See `SearchPathPlugin`."""
        for folder in config_dirs()[1:]:
            search_path.append("frod-bench", f"file://{folder}")
