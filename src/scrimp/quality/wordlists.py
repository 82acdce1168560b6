"""Words that turn a meaning round, and words that tell a language. Written for this; short."""

from __future__ import annotations

from typing import Final


def _words(listed: str) -> list[str]:
    return listed.split()


NEGATIONS: Final = frozenset(
    _words(
        "not no never without cannot none nothing neither nor nobody nowhere hardly except unless "
        "nicht kein keine keinen ohne nie niemals pas sans jamais aucun sin nunca ningún senza "
        "mai sem não niet geen zonder"
    )
)

UNITS: Final = frozenset(
    _words(
        "km m cm mm mi mile miles kg g mg lb lbs oz l ml gb mb tb kb usd eur gbp jpy chf dollar "
        "dollars euro euros pound pounds yen percent celsius fahrenheit kelvin second seconds "
        "minute minutes hour hours day days week weeks month months year years quarter"
    )
)

_NUMBERS = (
    "zero,two,three,four,five,six,seven,eight,nine,ten,eleven,twelve,twenty,thirty,forty,fifty,"
    "hundred,thousand,million,billion,first,second,third,fourth,fifth"
)
NUMBER_WORDS: Final = {
    **dict(
        zip(
            _NUMBERS.split(","),
            _words("0 2 3 4 5 6 7 8 9 10 11 12 20 30 40 50 100 1000 1e6 1e9 #1 #2 #3 #4 #5"),
            strict=True,
        )
    ),
    **{
        name: f"month{at}"
        for at, name in enumerate(
            _words(
                "january february march april june july august september october november december"
            )
        )
    },
    **{
        name: f"day{at}"
        for at, name in enumerate(
            _words("monday tuesday wednesday thursday friday saturday sunday")
        )
    },
}
"""`one` and `may` are left out: they are other words more often."""

_EXCLUSIVE = (
    "with without,before after,enable disable,enabled disabled,on off,open close,opened closed,"
    "buy sell,increase decrease,raise lower,minimum maximum,min max,first last,oldest newest,"
    "latest earliest,start stop end,add remove,include exclude,including excluding,allow deny,"
    "accept reject decline,send receive,sending receiving,sent received,lend borrow,push pull,"
    "upload download,import export,encrypt decrypt,install uninstall,subscribe unsubscribe,"
    "lock unlock,block unblock,activate deactivate,freeze unfreeze,in out,above below,over under,"
    "inside outside,left right,up down,north south east west,hot cold,warm cool,more less,"
    "most least,best worst,highest lowest,higher lower,longer shorter,always never,all none,"
    "today yesterday tomorrow,morning afternoon evening,win lose,won lost,parent child,"
    "mother father,husband wife,son daughter,brother sister,input output,inbound outbound,"
    "incoming outgoing,deposit withdraw,deposits withdrawals,debit credit,profit loss,"
    "ascending descending,asc desc,horizontal vertical,public private,internal external,"
    "true false,yes no,legal illegal,safe unsafe,possible impossible,male female,men women,"
    "boys girls,breakfast lunch dinner,spring summer autumn winter,new old,cheap expensive,"
    "fast slow,faster slower,early late,earlier later,arrive depart,arrival departure,"
    "arrivals departures,mute unmute,show hide,encode decode,compress decompress,"
    "connect disconnect,login logout,mount unmount,join leave,single double,to from"
)
EXCLUSIVE: Final = {
    word: number * 16 + place + 1
    for number, words in enumerate(_EXCLUSIVE.split(","))
    for place, word in enumerate(words.split())
}
"""A word's set and its place in it: two words of one set cannot both be meant."""

LANGUAGES: Final = tuple(
    frozenset(words.split())
    for words in (
        "the is my how what do i a to can of and you for it in on",
        "der die das ist ich wie was nicht und ein eine mein meine kann zu auf den",
        "le la les est je comment quoi un une des mon ma que pour pas et dans",
        "el los las es como que mi por para una un con en del puedo y",
        "il lo gli che come mio mia per una un di non posso con sono e",
        "o os as como que meu minha por para uma um com em do posso não e",
        "de het een is ik hoe wat mijn kan niet en van op voor naar",
    )
)
