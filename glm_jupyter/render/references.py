"""What one part of an answer refers to in another: link definitions, and numbers of formulas."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class References:
    """The definitions met so far in one output, and the names that were used before theirs."""

    links: dict[str, str] = field(default_factory=dict)  # label -> address
    labels: dict[str, str] = field(default_factory=dict)  # label of a formula -> its number
    tags: set[str] = field(default_factory=set)  # numbers that formulas show
    missing: set[str] = field(default_factory=set)

    def copy(self) -> References:
        """The same definitions, to read something that may still change."""
        return References(dict(self.links), dict(self.labels), set(self.tags))

    def with_definitions_of(self, later: References) -> References:
        """These numbers in use, with the definitions that have come since."""
        return References(dict(later.links), dict(later.labels), set(self.tags))

    def names(self) -> int:
        """How many names are defined."""
        return len(self.links) + len(self.labels)

    def link(self, label: str) -> str | None:
        """The address that a definition gives `label`."""
        found = self.links.get(_key(label))
        if found is None:
            self.missing.add(label)
        return found

    def define_link(self, label: str, address: str) -> None:
        """Take a definition; the first one of a label counts."""
        self.links.setdefault(_key(label), address)

    def number(self, label: str) -> str:
        """The number of the formula with `label`; where there is none, the label itself."""
        found = self.labels.get(label)
        if found is None:
            self.missing.add(label)
        return found or label

    def define_number(self, label: str, number: str | None = None) -> str:
        """The number of a formula that has a label: its own, or the next one that is free."""
        if label not in self.labels:
            count = 1
            while number is None:
                if f"tag:{count}" not in self.tags:
                    number = str(count)
                count += 1
            self.labels[label] = number
        return self.labels[label]


def _key(label: str) -> str:
    return " ".join(label.split()).casefold()
