"""What is left of English in a page or a figure that is to be Chinese."""

import json
import re
from html.parser import HTMLParser

from matplotlib.text import Text

# Several English words in a row. Names of columns, cells and settings are given apart.
ENGLISH = re.compile(r"[A-Za-z][a-z]+(?:[ ,;:]+[a-z]{2,})+")
HAN = re.compile(r"[一-鿿]")


class Seen(HTMLParser):
    """The texts of a page that people see or hear, but for code."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.apart = [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.apart += tag in ("code", "style")
        self.texts += [value for name, value in attrs if name in ("aria-label", "alt", "title") and value]

    def handle_endtag(self, tag):
        self.apart -= tag in ("code", "style")

    def handle_data(self, data):
        self.texts += [data.strip()] * (not self.apart and bool(data.strip()))


def english_in(texts, *names):
    """The runs of English words that are left, the names of the user taken out."""
    left = []
    for text in texts:
        for name in names:
            text = text.replace(name, "·")
        left += ENGLISH.findall(text)
    return left


def texts_of(drawn):
    """What is written in a figure, and told at the pointer."""
    found = [artist.get_text() for artist in drawn.findobj(Text)]
    told = [artist.get_gid() for artist in drawn.findobj(lambda artist: str(artist.get_gid()).startswith("tips:"))]
    return found + [text for words in told for text in json.loads(words[5:])]
