"""Reads an Atomic Host image's address, and inspects a host that is laid out as the image is."""

import json
import os
import re
import time
from urllib.parse import urlsplit

IMAGE = re.compile(
    r"^Fedora-(?P<variant>Atomic|Cloud-Base)-(?P<version>\w+)-(?P<release>[\d.nt]+)"
    r"\.(?P<arch>\w+)\.qcow2$"
)

PLACES = ["ostree/deploy", "sysroot", "usr/etc", "usr/lib", "var"]


def facts(image_url):
    """What the address says; the empty string for what it does not say."""
    name = os.path.basename(urlsplit(image_url).path)
    match = IMAGE.match(name)
    print("image %s: %s" % (name, "understood" if match else "not named as images are"))
    found = match.groupdict() if match else dict.fromkeys(IMAGE.groupindex, "")
    return dict(found, name=name)


def inspect(image, item, arch, root, artifactsdir):
    results = [check_variant(image), check_arch(image, arch)]
    report = []
    missing = []
    for number, place in enumerate(PLACES, 1):
        time.sleep(0.3)
        there = os.path.isdir(os.path.join(root, place))
        line = "[%d/%d] /%s %s" % (number, len(PLACES), place, "is there" if there else "MISSING")
        print("%s: %s" % (arch, line))
        report.append(line)
        if not there:
            missing.append(place)

    with open(os.path.join(artifactsdir, "layout.txt"), "w") as out:
        out.write("\n".join(report) + "\n")
    results.append({
        "checkname": "upstream-atomic.layout",
        "outcome": "FAILED" if missing else "PASSED",
        "note": "%d of %d places" % (len(PLACES) - len(missing), len(PLACES)),
        "artifact": "layout.txt",
        "output": report,
    })
    for result in results:
        result.update(item=item, type="compose", arch=arch)
        print("%s: %s %s" % (arch, result["checkname"], result["outcome"]))
    # JSON is YAML too, and needs no module.
    return json.dumps({"results": results})


def check_variant(image):
    good = image["variant"] == "Atomic"
    note = "Atomic Host" if good else "the image is %s" % (image["variant"] or "of no known kind")
    return {
        "checkname": "upstream-atomic.variant",
        "outcome": "PASSED" if good else "FAILED",
        "note": note,
    }


def check_arch(image, arch):
    """Running for another architecture is worth knowing and no fault of the image."""
    return {
        "checkname": "upstream-atomic.arch",
        "outcome": "PASSED" if image["arch"] == arch else "INFO",
        "note": "image for %s, run for %s" % (image["arch"] or "nobody knows", arch),
    }
