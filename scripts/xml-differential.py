#!/usr/bin/env python3
"""Reads documents that the scanner has accepted with expat and, where lxml is
installed, with libxml2, and says where these find another identity or operation."""

import base64
import sys
import xml.etree.ElementTree as etree

SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
TYPES = "{http://schemas.microsoft.com/exchange/services/2006/types}"


def found(root):
    """The reading that every document must have: one of each, anywhere."""
    sids = [e for e in root.iter() if e.tag == TYPES + "ConnectingSID"
            and e in [c for b in root.iterfind(SOAP + "Header/" + TYPES + "ExchangeImpersonation") for c in b]]
    bodies = root.findall(SOAP + "Body")
    headers = root.findall(SOAP + "Header")
    if root.tag != SOAP + "Envelope" or len(bodies) != 1 or len(headers) != 1 or len(sids) != 1:
        return "another structure"
    leaves = [e for e in sids[0] if isinstance(e.tag, str)]
    operations = [e for e in bodies[0] if isinstance(e.tag, str)]
    if len(leaves) != 1 or len(operations) != 1 or len(leaves[0]):
        return "another structure"
    value = (leaves[0].text or "").strip(" \t\r\n")
    return "\t".join([leaves[0].tag.removeprefix(TYPES), value, operations[0].tag.partition("}")[2]])


def main():
    readers = {"expat": etree.fromstring}
    try:
        import lxml.etree
        parser = lxml.etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
        readers["libxml2"] = lambda doc: lxml.etree.fromstring(doc, parser)
    except ImportError:
        print("libxml2: NOT CHECKED, there is no lxml for this python3")
    checked, different, refused = 0, 0, 0
    for line in open(sys.argv[1], encoding="utf-8"):
        *want, doc = line.rstrip("\n").split("\t")
        doc = base64.b64decode(doc)
        checked += 1
        for name, read in readers.items():
            try:
                got = found(read(doc))
            except Exception as err:
                if "is not a valid URI" in str(err):  # only libxml2 refuses such a URI
                    refused += 1
                    continue
                got = f"error: {err}"
            if got != "\t".join(want):
                different += 1
                print(f"{name}: {got!r}, want {want!r}\n{doc!r}", file=sys.stderr)
    print(f"{' and '.join(readers)}: {checked} documents, {different} differences, {refused} refused for the syntax of a namespace")
    sys.exit(different > 0 or checked == 0)


main()
