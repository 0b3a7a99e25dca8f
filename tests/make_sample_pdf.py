"""Set the sample chapter on fluids as a PDF of two pages with a text layer, a running header, page
numbers and hyphenated line breaks.

    python tests/make_sample_pdf.py [--output data/sample/textbooks/physics_fluids.pdf]

in    the chapter below, CHAPTER: an empty line ends a paragraph, "#" starts a heading, "~" marks
      where a word may be broken
out   the PDF; the same bytes on every run with the pinned matplotlib
"""

import argparse
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "sample"
HEADER = "Chapter 10 · Fluids at rest and in motion"
FIRST_PAGE = 141
CHARS_PER_LINE = 88
LINES_PER_PAGE = 66

CHAPTER = """\
# Chapter 10. Fluids at rest and in motion

A fluid is a substance that cannot resist a steady shearing force: it flows. Liquids and gases are both fluids, although a liquid
keeps its volume and a gas fills whatever vessel holds it. This chap~ter treats fluids at rest first, then fluids that move without
friction, and finally the role of viscos~ity.

## 10.1 Pressure

The pres~sure p is the force per unit area that a fluid exerts at right angles to a sur~face. Its unit is the pascal, 1 Pa = 1 N/m². In
a fluid at rest of constant density ρ the pres~sure grows linearly with the depth h, because every layer carries the weight of the
layers above it:

    p = p₀ + ρ g h.

The shape of the vessel does not matter, only the depth below the free sur~face. A pres~sure applied from outside is trans~mitted
undi~minished to every point of an enclosed fluid; this is Pascal's prin~ciple, on which the hydrau~lic press rests.

Example 10.1. In a hydrau~lic lift a force of 150 N acts on a piston of 4.0 cm². The other piston has an area of 300 cm². Which load
can it hold, and how far does it rise when the small piston is pushed down by 30 cm?

Solution. The pres~sure is the same on both sides, so the force grows with the area: F = 150 N × 300/4.0 = 11,250 N. The volume pushed
out on one side appears on the other, so the rise is 30 cm × 4.0/300 = 0.40 cm. Force is gained and distance is lost; the work, 45 J,
is the same on both sides.

## 10.2 Buoyancy

The pres~sure on the lower side of an immersed body exceeds that on its upper side. The differ~ence is a force directed upwards, and
Archimedes found its size: it equals the weight of the fluid dis~placed, B = ρ g V. A body floats if its mean density is lower than
that of the fluid; it then sinks in until the dis~placed fluid weighs as much as the whole body.

Example 10.2. Ice has a density of 917 kg/m³ and sea water one of 1,025 kg/m³. Which frac~tion of the volume of an iceberg is above
the water?

Solution. For a floating body the weights are equal, 917 g V = 1,025 g V′, where V′ is the sub~merged volume. Hence V′/V = 0.895, and
10.5 % of the volume is above the water.

Example 10.3. A stone weighs 27.0 N in air and 17.2 N when it hangs fully immersed in water. Find its density.

Solution. The buoyant force is 27.0 N − 17.2 N = 9.8 N, so the stone displaces water of this weight. Its density is 27.0/9.8 = 2.76
times that of water, about 2,760 kg/m³.

## 10.3 Flow without friction

Imagine an incom~pressible fluid in a pipe whose cross-sec~tion changes. What flows in must flow out, so the product of the area A and
the speed v is the same everywhere. This is the equa~tion of continuity,

    A₁ v₁ = A₂ v₂ = Q,

and Q is the volume flow. Where the pipe is narrow the fluid moves faster, so it must have been acceler~ated, and only a drop in
pres~sure can have done so. Applying the conser~vation of energy to a small volume that moves along a streamline leads to Bernoulli's
equa~tion for steady flow without friction:

    p + ½ ρ v² + ρ g h = constant along a streamline.

Each term is an energy per unit volume. With v = 0 the equa~tion returns to the hydro~static law of Section 10.1.

Example 10.4. Water flows at 2.0 m/s and at a pres~sure of 180 kPa through a level pipe of 6.0 cm diam~eter, which narrows to 3.0 cm.
Find the speed and the pres~sure in the narrow part.

Solution. Half the diam~eter means one quarter of the area, so the speed is 4 × 2.0 m/s = 8.0 m/s. At equal height Bernoulli's
equa~tion gives p₂ = p₁ + ½ ρ (v₁² − v₂²) = 180 kPa + 0.5 × 1,000 × (4 − 64) Pa = 180 kPa − 30 kPa = 150 kPa.

Example 10.5. A large open tank has a small hole 1.8 m below the sur~face of the water. How fast does the water leave?

Solution. The pres~sure is that of the air both at the sur~face and in the jet, and the sur~face hardly moves. Bernoulli's equa~tion
becomes ρ g h = ½ ρ v², so v = √(2 g h) = √(2 × 9.81 × 1.8) = 5.9 m/s. This is the speed of a stone that has fallen through the same
height, a result known as Torricelli's law.

## 10.4 Viscosity

Real fluids resist the sliding of one layer over another. For most of them the shear stress is propor~tional to the grad~ient of the
speed, and the factor η is called the viscos~ity, measured in Pa·s. Water at 20 °C has η = 1.0 × 10⁻³ Pa·s, honey several thousand
times as much. In slow flow through a long tube of radius r and length L, the volume flow follows from Poiseuille's law,

    Q = π r⁴ Δp / (8 η L).

The fourth power of the radius has grave conse~quences. If a deposit reduces the radius of an artery by one fifth, the flow at the same
pres~sure differ~ence falls to 0.8⁴ = 0.41 of its former value.

Whether a flow is smooth (laminar) or full of eddies (turbulent) depends on the Reynolds number, Re = ρ v d/η, where d is the diam~eter
of the tube. It compares inertia with viscos~ity. In a round tube the flow is laminar for Re below about 2,000.

Example 10.6. Blood, with a density of 1,060 kg/m³ and a viscos~ity of 4.0 × 10⁻³ Pa·s, flows at 0.30 m/s through an artery of 4.0 mm
diam~eter. Is the flow laminar?

Solution. Re = 1,060 × 0.30 × 4.0 × 10⁻³ / (4.0 × 10⁻³) = 318. This is far below 2,000, so the flow is laminar.

## Problems

Problem 10.1. A diver is 25 m below the sur~face of a lake. The air pres~sure is 101 kPa. What is the total pres~sure on the diver?

Answer. p = 101 kPa + 1,000 × 9.81 × 25 Pa = 101 kPa + 245 kPa = 346 kPa, about three and a half times the pres~sure at the sur~face.

Problem 10.2. A raft of wood (600 kg/m³) has a volume of 0.80 m³. How many people of 70 kg can it carry in fresh water without going
under?

Answer. The raft displaces at most 0.80 m³ of water, 800 kg. Its own mass is 480 kg, which leaves 320 kg. Four people (280 kg) can
stand on it, but not five.

Problem 10.3. Why does the roof of a house lift in a strong storm, though the wind blows along it and not against it?

Answer. The wind is squeezed together above the house and speeds up, say from 30 m/s to 50 m/s. By Bernoulli's equation its pres~sure
there is lower by ½ ρ (v₂² − v₁²) = 0.5 × 1.2 × (2,500 − 900) Pa = 960 Pa, while the still air inside keeps its pres~sure. On a roof of
100 m² the difference makes 96 kN, enough to tear off a light one.

Problem 10.4. A pump drives oil through a tube. The tube is replaced by two tubes side by side, each of the same length and with half
the cross-sec~tion. By which factor does the flow change at the same pres~sure differ~ence?

Answer. Half the area means that r² is halved and r⁴ is one quarter. Two tubes carry 2 × ¼ = ½ of the former flow.
"""


def wrap(paragraph, width):
    """Break a paragraph into lines of at most `width` characters, at spaces or, where it fills the
    line better, at a "~"."""
    lines, line = [], ""
    for word in paragraph.split(" "):
        candidate = f"{line} {word}" if line else word
        if len(candidate.replace("~", "")) <= width:
            line = candidate
            continue
        parts = word.split("~")
        head = ""
        while len(parts) > 1 and len(f"{line} {head}{parts[0]}-".replace("~", "")) <= width:
            head += parts.pop(0)
        lines.append(f"{line} {head}-" if head else line)
        line = "".join(parts)
    return [text.replace("~", "") for text in [*lines, line]]


def layout(chapter):
    """Return the lines of the chapter as (text, is_heading), with an empty line around headings and
    between paragraphs."""
    lines = []
    for paragraph in chapter.strip("\n").split("\n\n"):
        if paragraph.startswith("#"):
            lines += [("", False)] * (lines[-1:] not in ([], [("", False)])) + [
                (paragraph.lstrip("# "), True)
            ]
        elif paragraph.startswith("    "):
            lines.append(("        " + paragraph.strip(), False))
        else:
            lines += [(text, False) for text in wrap(" ".join(paragraph.split()), CHARS_PER_LINE)]
            if paragraph.startswith(("Solution.", "Answer.")):
                lines.append(("", False))
    return lines


def write_pdf(lines, output):
    """Write the lines to `output`, LINES_PER_PAGE on each A4 page."""
    import matplotlib

    matplotlib.use("Agg")
    # 42: TrueType with a Unicode map, so text can be read back
    matplotlib.rcParams.update({"pdf.fonttype": 42, "font.family": "DejaVu Serif"})
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    with PdfPages(output, metadata={"Title": HEADER, "CreationDate": None}) as pdf:
        for number, start in enumerate(range(0, len(lines), LINES_PER_PAGE)):
            page = Figure(figsize=(8.27, 11.69))
            page.text(0.09, 0.965, HEADER, fontsize=8, style="italic")
            page.text(0.5, 0.025, str(FIRST_PAGE + number), fontsize=8, ha="center")
            for i, (text, heading) in enumerate(lines[start : start + LINES_PER_PAGE]):
                page.text(
                    0.09,
                    0.935 - i * 0.0135,
                    text,
                    fontsize=9.3,
                    weight="bold" if heading else "normal",
                )
            pdf.savefig(page)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", default=str(SAMPLE / "textbooks" / "physics_fluids.pdf"))
    write_pdf(layout(CHAPTER), parser.parse_args().output)
