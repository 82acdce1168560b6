"""Words that turn a meaning round, and words that tell a language. Written for this; short."""

from __future__ import annotations

from typing import Final


def _words(listed: str) -> list[str]:
    return listed.split()


NEGATIONS: Final = frozenset(
    _words(
        "not non no never without cannot none nothing neither nor nobody nowhere hardly except "
        "unless nicht kein keine keinen ohne nie niemals pas sans jamais aucun sin nunca ningún "
        "senza mai sem não niet geen zonder"
    )
)

_SAME = (
    "km kilometer kilometers kilometre kilometres,meter meters metre metres,"
    "cm centimeter centimeters centimetre centimetres,mm millimeter millimeters millimetre "
    "millimetres,mile miles,foot feet ft,inch inches,yard yards,kg kilogram kilograms kilo "
    "kilos,gram grams gramme grammes,mg milligram milligrams,lb lbs,ounce ounces oz,stone "
    "stones,ton tons tonne tonnes,liter liters litre litres,ml milliliter milliliters "
    "millilitre millilitres,gallon gallons,pint pints,cup cups,teaspoon teaspoons tsp,"
    "tablespoon tablespoons tbsp,kb kilobyte kilobytes,mb megabyte megabytes,gb gigabyte "
    "gigabytes,tb terabyte terabytes,usd dollar dollars $,eur euro euros \u20ac,"
    "gbp pound pounds quid sterling \u00a3,jpy yen \u00a5,chf franc francs,inr rupee rupees,"
    "peso pesos,cny yuan renminbi,percent %,seconds secs,minute minutes "
    "mins,hour hours hourly hr hrs,day days daily,week weeks weekly,month months monthly,"
    "year years yearly annual annually,celsius centigrade"
)
SAME: Final = {word: names.split()[0] for names in _SAME.split(",") for word in names.split()[1:]}
"""Spellings, plurals and signs of one unit, by the first of its names."""

UNITS: Final = frozenset(
    _words(
        "km meter cm mm mile foot inch yard kg gram mg lb ounce stone ton liter ml gallon pint cup "
        "teaspoon tablespoon kb mb gb tb usd eur gbp jpy chf inr peso cny krw aud cad nzd sek nok "
        "dkk pln czk huf zar brl mxn sgd hkd thb btc eth bitcoin ether baht zloty forint "
        "krona lira ruble rubles rand percent celsius fahrenheit kelvin seconds minute hour day "
        "week month year a.m p.m mph"
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
    "with without,before/prior after/following during,enable disable,enabled disabled,on off,"
    "open close,opened closed,buy sell,increase/raise decrease/reduce,minimum maximum,min max,"
    "first last,oldest newest,latest earliest,start/begin stop/end,add/create/insert "
    "remove/delete/erase,include/including exclude/excluding,allow/permit deny/forbid/prohibit,"
    "accept/approve reject/decline,send receive,sending receiving,sent received,lend borrow,"
    "push pull,upload download,import export,encrypt decrypt,install uninstall,"
    "subscribe unsubscribe,lock unlock,block unblock,activate deactivate,freeze unfreeze,in out,"
    "above below,over under,inside/indoor/indoors outside/outdoor/outdoors,left right,up down,"
    "north south east west,hot/hotter/hottest cold/colder/coldest,warm/warmer cool/cooler,"
    "more less/fewer,most least/fewest,best worst,better worse,highest lowest,"
    "higher/upper lower,longer/longest shorter/shortest,always never,all none,"
    "today yesterday tomorrow,morning afternoon evening night,win lose,won lost,"
    "parent/parents child/children/kid/kids,mother/mothers/mom father/fathers/dad,husband wife,"
    "son daughter,brother sister,input output,inbound outbound,incoming outgoing,"
    "deposit/deposits withdraw/withdrawals/withdrawal,debit credit,profit loss,"
    "ascending descending,asc desc,horizontal vertical,public private,internal external,true false,"
    "yes no,legal illegal,safe unsafe,possible impossible,male female,men/man women/woman,"
    "boys/boy girls/girl,breakfast lunch dinner/supper,spring summer autumn winter,new old,"
    "cheap/cheaper/cheapest expensive/dear/dearest,fast/faster/fastest/quick/quickest "
    "slow/slower/slowest,early late,earlier later,arrive depart,arrival/arrivals "
    "departure/departures,mute unmute,show hide,encode decode,compress decompress,"
    "connect disconnect,login logout,mount unmount,join leave,single double,to from past,"
    "each/every any,big/bigger/biggest/large/larger/largest small/smaller/smallest,"
    "heavier/heaviest lighter/lightest,stronger/strongest weaker/weakest,easy/easier/easiest "
    "hard/harder/hardest/difficult,near/nearer/nearest/closest far/farther/farthest,"
    "older younger/youngest,richer/richest poorer/poorest,brighter darker,louder quieter,"
    "like dislike,attach detach,expand collapse,undo redo,pause resume,previous/preceding next,"
    "since until,noon midnight,weekday/weekdays weekend/weekends,succeed/success fail/failure,"
    "temporary permanent,domestic international,full partial,gross net,fixed variable,"
    "physical virtual,required/mandatory optional,tenant/tenants landlord/landlords,"
    "buyer/buyers seller/sellers,employer/employers employee/employees,sender recipient/receiver,"
    "teacher/teachers student/students,can/may must,"
    "mit ohne,vor nach,mehr weniger,avec sans,avant apr\u00e8s,con sin/senza,antes despu\u00e9s,"
    "m\u00e1s menos,prima dopo"
)
PLACES: Final = 8
EXCLUSIVE: Final = {
    word: number * PLACES + place + 1
    for number, words in enumerate(_EXCLUSIVE.split(","))
    for place, same in enumerate(words.split())
    for word in same.split("/")
}
"""A word's set and its place in it: words of two places of one set cannot both be meant."""

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

FILLERS: Final = frozenset(
    _words(
        "the a an is are was were be been being am do does did doing done i me my mine you your we "
        "us our it its it's this that these those there here of for to in on at and or so if as "
        "can could will would shall please thanks thank ok okay just really how "
        "what what's how's which have has had i'm i've i'd i'll get got want like need know tell "
        "let let's about some any way go going"
    )
)
"""Words whose change leaves a question what it was: "how can I" and "what do I do to"."""
