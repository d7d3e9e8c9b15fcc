"""What visitors do in the shop that several recipes watch, which is shop.py."""

from browser import together

# For eight visitors.
ITEMS = range(1000, 1040)


def ask_for_items(browser):
    """Eight at once ask for all of them; their paths."""

    def visit(visitor):
        for number in ITEMS[visitor::8]:
            browser.another().get(f"/items/{number}", has=f"item {number}")

    together(8, visit)
    return [f"/items/{number}" for number in ITEMS]
