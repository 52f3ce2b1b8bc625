"""Pages read as a browser reads them."""

import json
from html.parser import HTMLParser


class Page(HTMLParser):
    """Elements, their attributes and their text, as a browser would find them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style", "section", "title", "h3"):
            self.open.append((tag, dict(attrs).get("id")))

    def handle_endtag(self, tag):
        if self.open and self.open[-1][0] == tag:
            self.open.pop()

    def handle_data(self, data):
        for key in self.open:
            self.texts[key] = self.texts.get(key, "") + data

    @property
    def data(self):
        return json.loads(self.texts["script", "sweep"])

    def attributes(self, name):
        return [attrs[name] for _, attrs in self.tags if name in attrs]
