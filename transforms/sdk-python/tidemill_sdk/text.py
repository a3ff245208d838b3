# Texts that stand for no value, and the blanks around a text.

# Unicode's White_Space, which the SDKs of all languages go by: `str.strip` alone has another list.
_BLANKS = (
    "\t\n\v\f\r \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


def trim(text):
    """The text without the blanks around it."""
    return text.strip(_BLANKS)


def present(text, sentinels=()):
    """The text as it is, or None where it is blank or, apart from blanks around it, one of `sentinels`."""
    if text is None:
        return None
    core = text.strip(_BLANKS)
    return None if core == "" or core in sentinels else text
