"""The sentences that answers are made of, by topic. Plain data, written for this simulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Topic:
    """What is said when a question holds one of `words` (lower case, whole words)."""

    words: frozenset[str]
    sentences: tuple[str, ...]


def _topic(words: str, *sentences: str) -> Topic:
    return Topic(frozenset(words.split()), sentences)


SUPPORT: Final = (
    _topic(
        "password passwords reset login log signin locked",
        'Choose "Forgot password" on the sign-in page and we send a link to your e-mail address.',
        "The link works for 30 minutes; asking again makes the earlier link invalid.",
        "If no message arrives, look in your spam folder and check which address the account uses.",
        "After five wrong tries an account is locked for 15 minutes, for your own protection.",
    ),
    _topic(
        "refund refunds refunded money back return returns returned",
        "You can send an item back within 30 days of delivery for a full refund.",
        "Start the return in your order history, print the label and drop the parcel anywhere.",
        "Refunds reach the original payment method three to five working days after it arrives.",
        "Opened items can be returned too, as long as nothing is missing or damaged.",
    ),
    _topic(
        "delivery deliver delivered shipping ship shipped parcel package arrive courier late",
        "Standard delivery takes two to four working days; express arrives the next day.",
        "The tracking link in your shipping e-mail is updated by the courier every few hours.",
        "If the parcel has not moved for three days, tell us and we will open an inquiry.",
        "Delivery is free for orders over $50, and $4.90 below that.",
    ),
    _topic(
        "track tracking where order orders ordered status",
        "You can see where an order is under Orders in your account.",
        'An order marked "packed" leaves our warehouse within one working day.',
        "If you give me the order number, I can look at its last recorded step.",
    ),
    _topic(
        "cancel cancelled cancellation cancelling stop",
        "An order can be cancelled until it is packed; after that, please use a return.",
        "Open the order, choose Cancel and confirm; you get an e-mail at once.",
        "Nothing is charged for a cancelled order, and holds on a card fall away within days.",
    ),
    _topic(
        "subscription subscribe plan plans upgrade downgrade renew renewal monthly yearly trial",
        "You can change or end your plan under Settings, Billing, Plan at any time.",
        "An upgrade takes effect at once and is charged for the rest of the period only.",
        "A downgrade begins with the next period, so you keep what you have paid for.",
        "Plans renew by themselves; we write to you seven days before a yearly renewal.",
    ),
    _topic(
        "invoice invoices receipt receipts bill billing vat tax charged charge twice",
        "Every invoice is kept as a PDF under Settings, Billing, Invoices.",
        "Add your VAT number there and it appears on all later invoices.",
        "A charge that you see twice is often a hold that disappears within five days.",
        "For a corrected invoice, send us its number and the address that it should carry.",
    ),
    _topic(
        "pay payment payments card cards paypal declined bank transfer",
        "We take the usual cards, PayPal and bank transfer.",
        "A declined card is most often a matter of the bank's own confirmation step.",
        "Please check the billing address, then try once more or choose another method.",
        "We never see your full card number; it stays with the payment provider.",
    ),
    _topic(
        "address move moved change update profile email name",
        "Your addresses are under Account, Addresses; a change counts for all later orders.",
        "For an order that is not packed yet, the address can be changed in the order itself.",
        "A new e-mail address has to be confirmed by the link that we send to it.",
    ),
    _topic(
        "damaged broken defective faulty scratched missing wrong item",
        "I am sorry that it did not arrive as it should.",
        "Please send us a photo of the item and of the box, and we replace it at our cost.",
        "You do not have to return a broken item below $30.",
        "If a part is missing, we send that part alone, usually on the same day.",
    ),
    _topic(
        "warranty guarantee repair repaired repairs",
        "All devices carry a two-year warranty from the day of delivery.",
        "It covers faults of material and making, not drops and water.",
        "A repair takes about ten working days, and you can follow it in your account.",
    ),
    _topic(
        "discount coupon code voucher promo gift student sale",
        "Enter the code in the field below the basket; one code counts per order.",
        "A code does not apply to items that are already reduced.",
        "Gift cards are valid for three years and can be spent in parts.",
        "Students get ten percent after a short check of their e-mail address.",
    ),
    _topic(
        "delete deletion privacy data gdpr export account close",
        "You can export everything that we hold about you under Account, Privacy.",
        "A closed account is deleted after 14 days, in which you can change your mind.",
        "Invoices are kept for as long as the law asks for it, and nothing else is.",
    ),
    _topic(
        "2fa authenticator verification otp sms phone security hacked",
        "Two-step sign-in can be switched on under Account, Security.",
        "If you lost your phone, use one of the recovery codes that you saved at set-up.",
        "Without a recovery code we check your identity first, which takes about a day.",
        "If you think that somebody else signed in, choose End all sessions there.",
    ),
    _topic(
        "size sizes fit fits small large colour color stock available availability",
        "The size chart on the product page gives the measures of the item itself.",
        "Between two sizes, the larger one is the better choice for this cut.",
        "If something is sold out, leave your address there and we write when it is back.",
    ),
    _topic(
        "hours open opening contact call human agent person speak support",
        "Our people are there from 8 to 20 on weekdays and from 10 to 16 on Saturdays.",
        "I can hand this conversation over to a colleague, who then sees what we wrote.",
        "By e-mail you normally have an answer within one working day.",
    ),
    _topic(
        "app crash crashes update install slow error notification notifications sync",
        "Please update the app first; the current version mends several crashes.",
        "If it still stops, sign out, restart the phone and sign in again.",
        "A report from Settings, Help, Send report tells our engineers what happened.",
    ),
)

CODING: Final = (
    _topic(
        "test tests pytest assert coverage mock",
        "Write the failing case first, with the smallest input that shows it.",
        "I would test the behaviour through the public function and leave the helper alone.",
        "A fixture keeps the set-up out of the way without hiding what the test is about.",
    ),
    _topic(
        "error exception traceback bug fix fails failing crash none null undefined",
        "The message points at the line, but the cause is one call earlier.",
        "The value is missing when the list is empty, and nothing checks for that.",
        "A guard at the top makes the function safe and keeps the normal path flat.",
    ),
    _topic(
        "sql query database index join table migration",
        "The filter runs after the join, so the database reads far more rows than it returns.",
        "An index over both columns, in this order, serves the filter and the sort.",
        "Keep the migration additive, so that the old version can run beside the new one.",
    ),
    _topic(
        "async await thread threads lock concurrency queue worker",
        "The two tasks share the list without a lock, so their order decides the result.",
        "Give each worker its own queue and join them at the end.",
        "Mind the timeout: without it one silent peer blocks all the others.",
    ),
    _topic(
        "refactor rename function class module code method loop parse parser write implement",
        "I would split this into a pure function that decides and a thin one that acts.",
        "The name should say what it returns, then the comment above it can go.",
        "Reading the file line by line keeps memory flat, whatever its size.",
        "Types on the border of the module catch most of the mistakes that matter here.",
    ),
)

CODE_BLOCKS: Final = (
    """```python
def first_or_none(items: list[str]) -> str | None:
    for item in items:
        if item.strip():
            return item
    return None
```""",
    """```python
def total(lines: list[dict[str, int]]) -> int:
    return sum(line["quantity"] * line["price"] for line in lines)
```""",
    """```python
async def fetch_all(client, urls):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.get(url)) for url in urls]
    return [task.result() for task in tasks]
```""",
    """```typescript
export function groupBy<T>(items: T[], key: (item: T) => string) {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = key(item);
    groups.set(name, [...(groups.get(name) ?? []), item]);
  }
  return groups;
}
```""",
    """```sql
SELECT customer_id, count(*) AS orders
FROM orders
WHERE placed_at >= :since
GROUP BY customer_id
ORDER BY orders DESC
LIMIT 20;
```""",
)

OPENERS: Final = (
    "Thanks for writing to us.",
    "Happy to help with that.",
    "Good question.",
    "I understand.",
    "Let me explain.",
    "Of course.",
)
GENERAL: Final = (
    "The short answer is yes, with one condition that is easy to overlook.",
    "It depends on how often you need it and on what a mistake would cost.",
    "Most people begin with the simple way and change it only when it hurts.",
    "There are three parts to this, and the second one matters most.",
    "In practice the difference shows after a few weeks, not on the first day.",
    "A small example makes it clearer than a long definition.",
    "Both ways work; the first is cheaper, the second is easier to explain.",
    "Write down what you expect before you measure it, then compare.",
    "The numbers vary from year to year, so treat them as an order of magnitude.",
    "If you tell me more about your case, I can be more precise.",
    "The main risk is to do too much at once.",
    "That is why the older approach is still widely used.",
)
CLOSERS: Final = (
    "Is there anything else that I can do for you?",
    "Just tell me if something is still unclear.",
    "If this does not help, I will gladly look at it once more.",
    "I hope that answers your question.",
    "",
    "",
)
THOUGHTS: Final = (
    "The user wants a clear answer, so I should first settle what is being asked.",
    "There are two readings of this; the second fits the rest of the conversation better.",
    "Let me check the steps in order and look for the one that could go wrong.",
    "The important detail is the condition, not the general rule.",
    "A short answer with one example will serve better than a list.",
)
