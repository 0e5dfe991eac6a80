"""Conversion of feet to metres and refusal of degrees, from WKT and from GeoTIFF keys."""

import struct

import laspy
import numpy as np
import pytest

from handler.data.las import read_cloud, scale_of_file
from handler.errors import DataError

FOOT, US = 0.3048, 1200 / 3937
GEOGCS = 'GEOGCS["NAD83",DATUM["d",SPHEROID["GRS 1980",6378137,298.25]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]]'
METRES = f'PROJCS["Lambert",{GEOGCS},PROJECTION["p"],UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["X",EAST]]'
US_FEET = f'PROJCS["Texas",{GEOGCS},PROJECTION["p"],PARAMETER["x",1],UNIT["US survey foot",0.3048006096012192]]'
WKT2 = ('PROJCRS["Oregon (ft)",BASEGEOGCRS["NAD83",DATUM["d",ELLIPSOID["e",1,2,LENGTHUNIT["metre",1]]]],CONVERSION["c",'
        'PARAMETER["False easting",1,LENGTHUNIT["metre",1]]],CS[Cartesian,2],AXIS["(E)",east,LENGTHUNIT["foot",0.3048]],'
        'AXIS["(N)",north,LENGTHUNIT["foot",0.3048]]]')


def keys(**values):
    """Return a directory of GeoTIFF keys, each with its value in place."""
    numbers = {"model": 1024, "projected": 3072, "linear": 3076, "vertical": 4096, "height": 4099, "geographic": 2048}
    entries = [(numbers[name], 0, 1, value) for name, value in values.items()]
    return struct.pack("<4H", 1, 1, 0, len(entries)) + b"".join(struct.pack("<4H", *entry) for entry in entries)


def write(path, record, number=2112, wkt=True):
    las = laspy.LasData(laspy.LasHeader(point_format=6, version="1.4"))
    las.header.scales = [0.001] * 3
    las.xyz = np.array([[10.0, 20.0, 30.0], [13.0, 20.0, 36.0]])
    las.header.global_encoding.wkt = wkt
    if record is not None:
        las.header.vlrs.append(laspy.VLR("LASF_Projection", number, "", record))
    las.write(path)
    return path


@pytest.mark.parametrize(("wkt", "scale"), [
    (METRES, (1.0, 1.0)),
    (US_FEET, (US, US)),
    (f'COMPD_CS["both",{US_FEET},VERT_CS["NAVD88",VERT_DATUM["v",2005],UNIT["metre",1.0],AXIS["Up",UP]]]', (US, 1.0)),
    (f'COMPD_CS["both",{METRES},VERT_CS["NAVD88",VERT_DATUM["v",2005],UNIT["foot",0.3048]]]', (1.0, FOOT)),
    (WKT2, (FOOT, FOOT)),
    (f'COMPOUNDCRS["both",{WKT2},VERTCRS["v",VDATUM["d"],CS[vertical,1],AXIS["H",up],LENGTHUNIT["US survey foot",'
     "0.304800609601219]]]", (FOOT, US)),
    (f'BOUNDCRS[SOURCECRS[{WKT2}],TARGETCRS[GEOGCRS["WGS 84"]]]', (FOOT, FOOT)),
    ('PROJCS["Esri",GEOGCS["g"],UNIT["Foot_US",0.3048006096012192]]', (US, US)),
    ('LOCAL_CS["site",UNIT["foot",0.3048]]', (FOOT, FOOT)),
    ('PROJCS["no unit",GEOGCS["g"]]', (1.0, 1.0)),
    ("no WKT at all", (1.0, 1.0)),
    ("", (1.0, 1.0)),
])
def test_the_unit_of_length_is_read_from_wkt(tmp_path, wkt, scale):
    assert scale_of_file(write(tmp_path / "a.las", wkt.encode() + b"\0")) == pytest.approx(scale, rel=1e-12)


@pytest.mark.parametrize(("directory", "scale"), [
    (keys(model=1, projected=2154), (1.0, 1.0)),
    (keys(model=1, projected=2154, linear=9001), (1.0, 1.0)),
    (keys(model=1, projected=2277), (US, US)),  # Texas Central (ftUS): the unit follows from the code
    (keys(model=1, projected=2992), (FOOT, FOOT)),  # Oregon Lambert (ft)
    (keys(model=1, projected=32767, linear=9002), (FOOT, FOOT)),
    (keys(model=1, projected=2277, linear=9003, height=9001), (US, 1.0)),
    (keys(model=1, projected=26915, vertical=6360), (1.0, US)),  # NAVD88 height (ftUS)
    (b"", (1.0, 1.0)),
])
def test_the_unit_of_length_is_read_from_geotiff_keys(tmp_path, directory, scale):
    assert scale_of_file(write(tmp_path / "a.las", directory, 34735, wkt=False)) == pytest.approx(scale, rel=1e-12)


@pytest.mark.parametrize(("record", "number", "kind"), [
    (GEOGCS.encode(), 2112, "geographic"),
    (b'GEOGCRS["WGS 84",CS[ellipsoidal,2],UNIT["degree",0.01745]]', 2112, "geographic"),
    (b'COMPD_CS["c",GEOGCS["g"],VERT_CS["v",UNIT["metre",1]]]', 2112, "geographic"),
    (b'GEOCCS["WGS 84",UNIT["metre",1]]', 2112, "geocentric"),
    (keys(model=2, geographic=4326), 34735, "geographic"),
    (keys(geographic=4326), 34735, "geographic"),
    (keys(model=3), 34735, "geocentric"),
])
def test_geographic_and_geocentric_coordinates_are_refused(tmp_path, record, number, kind):
    path = write(tmp_path / "degrees.las", record, number, wkt=number == 2112)
    with pytest.raises(DataError, match=rf"degrees\.las has {kind} coordinates, not metres or feet; reproject it"):
        read_cloud(path)


def test_an_unknown_unit_of_length_is_refused_by_name(tmp_path):
    path = write(tmp_path / "odd.las", b'PROJCS["x",GEOGCS["g"],UNIT["league",0]]')
    with pytest.raises(DataError, match=r"odd\.las: the unit 'league' .* is not a known unit of length"):
        read_cloud(path)
    path = write(tmp_path / "code.las", keys(model=1, projected=2154, linear=9102), 34735, wkt=False)
    with pytest.raises(DataError, match=r"the unit with the code 9102"):
        read_cloud(path)


def test_a_cloud_in_feet_is_read_in_metres(tmp_path):
    wkt = f'COMPD_CS["both",{US_FEET},VERT_CS["v",VERT_DATUM["d",2005],UNIT["foot",0.3048]]]'
    np.testing.assert_allclose(read_cloud(write(tmp_path / "a.las", wkt.encode())).xyz,
                               np.array([[10.0, 20.0, 30.0], [13.0, 20.0, 36.0]]) * [US, US, FOOT], rtol=1e-9)
