"""Lets about two thirds of the generated calls be about people, rooms and messages that are there.

Without it nearly every call would end at "not found". What is replaced is drawn from the case itself, so a seed
gives the same calls again.
"""

import json
import os
import random

import schemathesis

WORLD = json.loads(os.environ.get("WORLD", "{}"))
ROOMS = WORLD.get("rooms", [])
PEOPLE = WORLD.get("people", [])
REAL = {
    "id": ROOMS,
    "room_id": ROOMS,
    "RoomID": ROOMS,
    "seq": ["1", "2", "3"],
    "X-User-Id": PEOPLE,
    "user_id": PEOPLE,
    "with": PEOPLE,
    "user": PEOPLE,
    "SenderID": PEOPLE,
    "sender": PEOPLE,
    "ReceiverID": PEOPLE,
}


def with_real_values(values):
    if not isinstance(values, dict):
        return values
    drawn = random.Random(repr(sorted(values.items(), key=str)))
    for name in values:
        known = REAL.get(name)
        if known and isinstance(values[name], str) and drawn.random() < 0.67:
            values[name] = drawn.choice(known)
    return values


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    return with_real_values(path_parameters)


@schemathesis.hook
def map_query(context, query):
    return with_real_values(query)


@schemathesis.hook
def map_headers(context, headers):
    return with_real_values(headers)


@schemathesis.hook
def map_body(context, body):
    return with_real_values(body)
