"""An inventory plugin as clouds have them: hosts from an answer of an API, recorded in a file, keyed and composed."""

from __future__ import annotations

import json

from ansible.plugins.inventory import BaseInventoryPlugin, Constructable

DOCUMENTATION = """
name: recorded_cloud
short_description: Hosts from a recorded answer
description: [Reads instances from a file.]
author: the ipsecplan authors
extends_documentation_fragment: [constructed]
options:
  plugin: {description: Name of the plugin., required: true, type: str}
  answer: {description: The file., required: true, type: path}
"""


class InventoryModule(BaseInventoryPlugin, Constructable):
    NAME = "recorded_cloud"

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        with open(self.get_option("answer"), encoding="utf-8") as file:
            instances = json.load(file)["Instances"]
        for one in instances:
            host, facts = one["InstanceId"], {k.lower(): v for k, v in one.items()}
            self.inventory.add_host(host)
            self._set_composite_vars(self.get_option("compose"), facts, host)
            self._add_host_to_composed_groups(self.get_option("groups"), facts, host)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), facts, host)
