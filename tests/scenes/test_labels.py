from scenehue.scenes.labels import NAMES, NUM_SCENES, OUTDOOR, SUN_ALIASES, scene_classes


def test_classes_are_those_that_places365_publishes():
    # Classes and names as printed by the method's authors for their own pictures.
    assert NUM_SCENES == len(set(NAMES)) == 365
    published = {
        203: "kitchen",
        343: "utility_room",
        208: "laundromat",
        24: "athletic_field/outdoor",
        314: "stadium/soccer",
    }
    assert {index: NAMES[index] for index in published} == published


def test_environments():
    assert sum(OUTDOOR) == 205
    assert not OUTDOOR[NAMES.index("kitchen")]
    assert OUTDOOR[NAMES.index("desert/sand")]
    named = {
        name: outdoor for name, outdoor in zip(NAMES, OUTDOOR, strict=True) if name.endswith(("/indoor", "/outdoor"))
    }
    # The published table itself has this one outdoors.
    assert named.pop("bus_station/indoor")
    assert len(named) > 40
    assert all(outdoor == name.endswith("/outdoor") for name, outdoor in named.items())


def test_scene_names():
    assert scene_classes("art_gallery") == (NAMES.index("art_gallery"),)
    assert [NAMES[index] for index in scene_classes("library")] == ["library/indoor", "library/outdoor"]
    assert scene_classes("tennis_court") == ()
    assert not set(SUN_ALIASES) & set(NAMES)
