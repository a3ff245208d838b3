# A bill of materials (CycloneDX 1.5) of what `tidemill` is built from, out of `cargo metadata` on standard input.
import json
import sys
import tomllib

metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
root = next(package["id"] for package in packages.values() if package["name"] == "tidemill" and package["source"] is None)
with open(metadata["workspace_root"] + "/Cargo.lock", "rb") as lock:
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in tomllib.load(lock)["package"]}


def needed(node):
    """What it is built from: not what its tests need."""
    kinds = lambda dependency: {kind["kind"] for kind in dependency["dep_kinds"]}
    return sorted(dependency["pkg"] for dependency in node["deps"] if kinds(dependency) & {None, "build"})


reached, waiting = set(), [root]
while waiting:
    name = waiting.pop()
    if name not in reached:
        reached.add(name)
        waiting += needed(nodes[name])


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package):
    found = {"type": "library", "bom-ref": purl(package), "name": package["name"], "version": package["version"]}
    if package.get("license"):
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return found | {"purl": purl(package)}


inside = sorted((packages[name] for name in reached), key=lambda package: (package["name"], package["version"]))
bill = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "version": 1,
    "metadata": {"component": component(packages[root]) | {"type": "application"}},
    "components": [component(package) for package in inside if package["id"] != root],
    "dependencies": [
        {"ref": purl(package), "dependsOn": sorted({purl(packages[name]) for name in needed(nodes[package["id"]])})}
        for package in inside
    ],
}
json.dump(bill, sys.stdout, indent=1)
print()
